src/pg/capture/capture_trigger.o: src/pg/capture/capture_trigger.cpp \
 src/pg/capture/capture_plan.h src/core/queue_record.h src/pg/prelude.h \
 src/pg/capture/transaction_buffer.h src/pg/sql/sync_definition.h \
 src/pg/sql/arguments.h src/pg/catalog.h
src/pg/capture/capture_plan.h:
src/core/queue_record.h:
src/pg/prelude.h:
src/pg/capture/transaction_buffer.h:
src/pg/sql/sync_definition.h:
src/pg/sql/arguments.h:
src/pg/catalog.h:
