src/pg/sql/adopt_sync.o: src/pg/sql/adopt_sync.cpp \
 src/pg/capture/capture_plan.h src/core/queue_record.h src/pg/prelude.h \
 src/pg/capture/capture_triggers.h src/pg/capture/source_tree.h \
 src/pg/capture/source_watch.h src/pg/catalog.h src/pg/server_options.h \
 src/pg/sql/arguments.h
src/pg/capture/capture_plan.h:
src/core/queue_record.h:
src/pg/prelude.h:
src/pg/capture/capture_triggers.h:
src/pg/capture/source_tree.h:
src/pg/capture/source_watch.h:
src/pg/catalog.h:
src/pg/server_options.h:
src/pg/sql/arguments.h:
