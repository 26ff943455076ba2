src/pg/sql/wait_sync.o: src/pg/sql/wait_sync.cpp \
 src/pg/capture/transaction_buffer.h src/core/queue_record.h \
 src/pg/capture/capture_plan.h src/pg/prelude.h src/pg/shared_state.h \
 src/pg/sql/arguments.h src/pg/catalog.h src/pg/sql/visibility.h
src/pg/capture/transaction_buffer.h:
src/core/queue_record.h:
src/pg/capture/capture_plan.h:
src/pg/prelude.h:
src/pg/shared_state.h:
src/pg/sql/arguments.h:
src/pg/catalog.h:
src/pg/sql/visibility.h:
