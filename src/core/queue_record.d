src/core/queue_record.o: src/core/queue_record.cpp \
 src/core/queue_record.h
src/core/queue_record.h:
