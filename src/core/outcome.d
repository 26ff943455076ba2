src/core/outcome.o: src/core/outcome.cpp src/core/outcome.h \
 src/core/bulk_response.h src/core/operation.h src/core/result.h \
 src/core/error_text.h
src/core/outcome.h:
src/core/bulk_response.h:
src/core/operation.h:
src/core/result.h:
src/core/error_text.h:
