src/pg/capture/source_watch.o: src/pg/capture/source_watch.cpp \
 src/pg/capture/source_watch.h src/pg/catalog.h src/pg/prelude.h \
 src/pg/capture/capture_triggers.h src/pg/capture/source_tree.h \
 src/pg/capture/transaction_buffer.h src/core/queue_record.h \
 src/pg/capture/capture_plan.h src/pg/sql/sync_checks.h \
 src/pg/sql/arguments.h src/pg/sql/sync_definition.h
src/pg/capture/source_watch.h:
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/capture/capture_triggers.h:
src/pg/capture/source_tree.h:
src/pg/capture/transaction_buffer.h:
src/core/queue_record.h:
src/pg/capture/capture_plan.h:
src/pg/sql/sync_checks.h:
src/pg/sql/arguments.h:
src/pg/sql/sync_definition.h:
