src/pg/queue/queue_reader.o: src/pg/queue/queue_reader.cpp \
 src/pg/queue/queue_reader.h src/core/queue_scan.h src/core/time.h \
 src/core/snapshot.h src/pg/prelude.h src/pg/queue/queue_writer.h
src/pg/queue/queue_reader.h:
src/core/queue_scan.h:
src/core/time.h:
src/core/snapshot.h:
src/pg/prelude.h:
src/pg/queue/queue_writer.h:
