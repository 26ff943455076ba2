src/pg/capture/capture_plan.o: src/pg/capture/capture_plan.cpp \
 src/pg/capture/capture_plan.h src/core/queue_record.h src/pg/prelude.h \
 src/pg/catalog.h
src/pg/capture/capture_plan.h:
src/core/queue_record.h:
src/pg/prelude.h:
src/pg/catalog.h:
