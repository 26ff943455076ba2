src/core/lease.o: src/core/lease.cpp src/core/lease.h src/core/result.h \
 src/core/time.h src/core/error_text.h src/core/rapidjson.h
src/core/lease.h:
src/core/result.h:
src/core/time.h:
src/core/error_text.h:
src/core/rapidjson.h:
