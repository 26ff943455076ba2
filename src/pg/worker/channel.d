src/pg/worker/channel.o: src/pg/worker/channel.cpp \
 src/pg/worker/channel.h src/core/delivery.h src/core/operation.h \
 src/core/settlement.h src/core/time.h src/net/search_client.h \
 src/core/node_pool.h src/core/backoff.h src/core/result.h \
 src/pg/prelude.h src/pg/worker/clock.h
src/pg/worker/channel.h:
src/core/delivery.h:
src/core/operation.h:
src/core/settlement.h:
src/core/time.h:
src/net/search_client.h:
src/core/node_pool.h:
src/core/backoff.h:
src/core/result.h:
src/pg/prelude.h:
src/pg/worker/clock.h:
