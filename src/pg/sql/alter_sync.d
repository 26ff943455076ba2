src/pg/sql/alter_sync.o: src/pg/sql/alter_sync.cpp \
 src/pg/capture/capture_triggers.h src/pg/prelude.h \
 src/pg/server_options.h src/pg/sql/published.h src/pg/catalog.h \
 src/pg/sql/sync_checks.h src/pg/sql/arguments.h \
 src/pg/sql/sync_definition.h
src/pg/capture/capture_triggers.h:
src/pg/prelude.h:
src/pg/server_options.h:
src/pg/sql/published.h:
src/pg/catalog.h:
src/pg/sql/sync_checks.h:
src/pg/sql/arguments.h:
src/pg/sql/sync_definition.h:
