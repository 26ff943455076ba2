src/pg/sql/drop_sync.o: src/pg/sql/drop_sync.cpp \
 src/pg/capture/capture_triggers.h src/pg/prelude.h \
 src/pg/capture/source_watch.h src/pg/catalog.h src/pg/sql/published.h \
 src/pg/sql/sync_definition.h src/pg/sql/arguments.h
src/pg/capture/capture_triggers.h:
src/pg/prelude.h:
src/pg/capture/source_watch.h:
src/pg/catalog.h:
src/pg/sql/published.h:
src/pg/sql/sync_definition.h:
src/pg/sql/arguments.h:
