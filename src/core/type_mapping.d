src/core/type_mapping.o: src/core/type_mapping.cpp \
 src/core/type_mapping.h src/core/result.h src/core/json_writer.h \
 src/core/rapidjson.h
src/core/type_mapping.h:
src/core/result.h:
src/core/json_writer.h:
src/core/rapidjson.h:
