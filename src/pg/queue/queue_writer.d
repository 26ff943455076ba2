src/pg/queue/queue_writer.o: src/pg/queue/queue_writer.cpp \
 src/pg/queue/queue_writer.h src/pg/prelude.h \
 src/pg/capture/capture_plan.h src/core/queue_record.h \
 src/pg/shared_state.h
src/pg/queue/queue_writer.h:
src/pg/prelude.h:
src/pg/capture/capture_plan.h:
src/core/queue_record.h:
src/pg/shared_state.h:
