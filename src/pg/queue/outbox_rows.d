src/pg/queue/outbox_rows.o: src/pg/queue/outbox_rows.cpp \
 src/core/queue_record.h src/core/snapshot.h src/pg/catalog.h \
 src/pg/prelude.h src/pg/document/key_codec.h \
 src/pg/document/row_reader.h src/pg/guard.h src/pg/queue/queue_reader.h \
 src/core/queue_scan.h src/core/time.h src/pg/shared_state.h \
 src/pg/sql/visibility.h src/pg/worker/clock.h
src/core/queue_record.h:
src/core/snapshot.h:
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/document/key_codec.h:
src/pg/document/row_reader.h:
src/pg/guard.h:
src/pg/queue/queue_reader.h:
src/core/queue_scan.h:
src/core/time.h:
src/pg/shared_state.h:
src/pg/sql/visibility.h:
src/pg/worker/clock.h:
