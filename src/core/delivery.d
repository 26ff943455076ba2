src/core/delivery.o: src/core/delivery.cpp src/core/delivery.h \
 src/core/operation.h src/core/settlement.h src/core/time.h \
 src/core/delivery_state.h src/core/backoff.h src/core/bulk_batch.h \
 src/core/bulk_request.h src/core/lanes.h src/core/bulk_response.h \
 src/core/result.h src/core/flow_control.h src/core/outcome.h \
 src/core/refusals.h
src/core/delivery.h:
src/core/operation.h:
src/core/settlement.h:
src/core/time.h:
src/core/delivery_state.h:
src/core/backoff.h:
src/core/bulk_batch.h:
src/core/bulk_request.h:
src/core/lanes.h:
src/core/bulk_response.h:
src/core/result.h:
src/core/flow_control.h:
src/core/outcome.h:
src/core/refusals.h:
