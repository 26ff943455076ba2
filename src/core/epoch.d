src/core/epoch.o: src/core/epoch.cpp src/core/epoch.h \
 src/core/index_body.h src/core/result.h
src/core/epoch.h:
src/core/index_body.h:
src/core/result.h:
