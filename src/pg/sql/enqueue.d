src/pg/sql/enqueue.o: src/pg/sql/enqueue.cpp \
 src/pg/capture/transaction_buffer.h src/core/queue_record.h \
 src/pg/capture/capture_plan.h src/pg/prelude.h src/pg/sql/arguments.h \
 src/pg/catalog.h src/pg/sql/key_argument.h src/pg/sql/visibility.h
src/pg/capture/transaction_buffer.h:
src/core/queue_record.h:
src/pg/capture/capture_plan.h:
src/pg/prelude.h:
src/pg/sql/arguments.h:
src/pg/catalog.h:
src/pg/sql/key_argument.h:
src/pg/sql/visibility.h:
