src/core/index_body.o: src/core/index_body.cpp src/core/index_body.h \
 src/core/result.h src/core/error_text.h src/core/rapidjson.h
src/core/index_body.h:
src/core/result.h:
src/core/error_text.h:
src/core/rapidjson.h:
