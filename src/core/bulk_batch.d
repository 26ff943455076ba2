src/core/bulk_batch.o: src/core/bulk_batch.cpp src/core/bulk_batch.h \
 src/core/bulk_request.h src/core/operation.h src/core/lanes.h \
 src/core/delivery.h src/core/settlement.h src/core/time.h
src/core/bulk_batch.h:
src/core/bulk_request.h:
src/core/operation.h:
src/core/lanes.h:
src/core/delivery.h:
src/core/settlement.h:
src/core/time.h:
