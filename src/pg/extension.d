src/pg/extension.o: src/pg/extension.cpp \
 src/pg/capture/transaction_buffer.h src/core/queue_record.h \
 src/pg/capture/capture_plan.h src/pg/prelude.h src/pg/settings.h \
 src/pg/shared_state.h src/pg/worker/launcher.h
src/pg/capture/transaction_buffer.h:
src/core/queue_record.h:
src/pg/capture/capture_plan.h:
src/pg/prelude.h:
src/pg/settings.h:
src/pg/shared_state.h:
src/pg/worker/launcher.h:
