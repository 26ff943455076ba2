src/pg/worker/lease.o: src/pg/worker/lease.cpp src/pg/worker/lease.h \
 src/pg/worker/worker_context.h src/core/delivery.h src/core/operation.h \
 src/core/settlement.h src/core/time.h src/core/snapshot.h \
 src/pg/queue/queue_reader.h src/core/queue_scan.h src/pg/prelude.h \
 src/pg/worker/channel.h src/net/search_client.h src/core/node_pool.h \
 src/core/backoff.h src/core/result.h src/pg/worker/clock.h \
 src/pg/worker/sync_runtime.h src/core/control_record.h src/core/lease.h \
 src/core/queue_record.h src/pg/document/row_reader.h src/pg/catalog.h \
 src/pg/guard.h src/pg/shared_state.h src/pg/worker/pending_keys.h \
 src/pg/worker/epoch.h src/core/epoch.h src/core/index_body.h \
 src/pg/worker/index_steps.h
src/pg/worker/lease.h:
src/pg/worker/worker_context.h:
src/core/delivery.h:
src/core/operation.h:
src/core/settlement.h:
src/core/time.h:
src/core/snapshot.h:
src/pg/queue/queue_reader.h:
src/core/queue_scan.h:
src/pg/prelude.h:
src/pg/worker/channel.h:
src/net/search_client.h:
src/core/node_pool.h:
src/core/backoff.h:
src/core/result.h:
src/pg/worker/clock.h:
src/pg/worker/sync_runtime.h:
src/core/control_record.h:
src/core/lease.h:
src/core/queue_record.h:
src/pg/document/row_reader.h:
src/pg/catalog.h:
src/pg/guard.h:
src/pg/shared_state.h:
src/pg/worker/pending_keys.h:
src/pg/worker/epoch.h:
src/core/epoch.h:
src/core/index_body.h:
src/pg/worker/index_steps.h:
