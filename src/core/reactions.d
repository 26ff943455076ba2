src/core/reactions.o: src/core/reactions.cpp src/core/delivery_state.h \
 src/core/backoff.h src/core/time.h src/core/bulk_batch.h \
 src/core/bulk_request.h src/core/operation.h src/core/lanes.h \
 src/core/delivery.h src/core/settlement.h src/core/bulk_response.h \
 src/core/result.h src/core/flow_control.h src/core/outcome.h \
 src/core/refusals.h src/core/error_text.h src/core/node_pool.h
src/core/delivery_state.h:
src/core/backoff.h:
src/core/time.h:
src/core/bulk_batch.h:
src/core/bulk_request.h:
src/core/operation.h:
src/core/lanes.h:
src/core/delivery.h:
src/core/settlement.h:
src/core/bulk_response.h:
src/core/result.h:
src/core/flow_control.h:
src/core/outcome.h:
src/core/refusals.h:
src/core/error_text.h:
src/core/node_pool.h:
