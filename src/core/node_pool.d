src/core/node_pool.o: src/core/node_pool.cpp src/core/node_pool.h \
 src/core/backoff.h src/core/time.h
src/core/node_pool.h:
src/core/backoff.h:
src/core/time.h:
