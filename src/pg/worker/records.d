src/pg/worker/records.o: src/pg/worker/records.cpp \
 src/pg/worker/records.h src/core/delivery.h src/core/operation.h \
 src/core/settlement.h src/core/time.h src/pg/worker/pending_keys.h \
 src/pg/worker/sync_runtime.h src/core/control_record.h \
 src/core/snapshot.h src/core/lease.h src/core/result.h \
 src/core/queue_record.h src/pg/document/row_reader.h src/pg/catalog.h \
 src/pg/prelude.h src/pg/guard.h src/pg/shared_state.h \
 src/pg/worker/statement.h
src/pg/worker/records.h:
src/core/delivery.h:
src/core/operation.h:
src/core/settlement.h:
src/core/time.h:
src/pg/worker/pending_keys.h:
src/pg/worker/sync_runtime.h:
src/core/control_record.h:
src/core/snapshot.h:
src/core/lease.h:
src/core/result.h:
src/core/queue_record.h:
src/pg/document/row_reader.h:
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/guard.h:
src/pg/shared_state.h:
src/pg/worker/statement.h:
