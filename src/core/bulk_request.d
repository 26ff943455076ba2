src/core/bulk_request.o: src/core/bulk_request.cpp \
 src/core/bulk_request.h src/core/operation.h
src/core/bulk_request.h:
src/core/operation.h:
