src/core/bulk_response.o: src/core/bulk_response.cpp \
 src/core/bulk_response.h src/core/operation.h src/core/result.h \
 src/core/error_text.h src/core/rapidjson.h
src/core/bulk_response.h:
src/core/operation.h:
src/core/result.h:
src/core/error_text.h:
src/core/rapidjson.h:
