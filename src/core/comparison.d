src/core/comparison.o: src/core/comparison.cpp src/core/comparison.h \
 src/core/result.h src/core/rapidjson.h
src/core/comparison.h:
src/core/result.h:
src/core/rapidjson.h:
