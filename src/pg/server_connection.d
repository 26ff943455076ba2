src/pg/server_connection.o: src/pg/server_connection.cpp \
 src/pg/server_connection.h src/net/search_client.h src/core/delivery.h \
 src/core/operation.h src/core/settlement.h src/core/time.h \
 src/core/node_pool.h src/core/backoff.h src/core/result.h \
 src/pg/server_options.h src/pg/prelude.h
src/pg/server_connection.h:
src/net/search_client.h:
src/core/delivery.h:
src/core/operation.h:
src/core/settlement.h:
src/core/time.h:
src/core/node_pool.h:
src/core/backoff.h:
src/core/result.h:
src/pg/server_options.h:
src/pg/prelude.h:
