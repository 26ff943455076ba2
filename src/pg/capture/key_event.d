src/pg/capture/key_event.o: src/pg/capture/key_event.cpp \
 src/pg/capture/transaction_buffer.h src/core/queue_record.h \
 src/pg/capture/capture_plan.h src/pg/prelude.h
src/pg/capture/transaction_buffer.h:
src/core/queue_record.h:
src/pg/capture/capture_plan.h:
src/pg/prelude.h:
