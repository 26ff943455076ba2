src/core/backoff.o: src/core/backoff.cpp src/core/backoff.h \
 src/core/time.h
src/core/backoff.h:
src/core/time.h:
