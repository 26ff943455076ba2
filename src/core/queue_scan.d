src/core/queue_scan.o: src/core/queue_scan.cpp src/core/queue_scan.h \
 src/core/time.h
src/core/queue_scan.h:
src/core/time.h:
