src/core/lanes.o: src/core/lanes.cpp src/core/lanes.h src/core/delivery.h \
 src/core/operation.h src/core/settlement.h src/core/time.h \
 src/core/bulk_request.h
src/core/lanes.h:
src/core/delivery.h:
src/core/operation.h:
src/core/settlement.h:
src/core/time.h:
src/core/bulk_request.h:
