src/core/control_record.o: src/core/control_record.cpp \
 src/core/control_record.h src/core/snapshot.h src/core/queue_record.h
src/core/control_record.h:
src/core/snapshot.h:
src/core/queue_record.h:
