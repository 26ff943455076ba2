src/pg/sql/ping.o: src/pg/sql/ping.cpp src/core/index_body.h \
 src/core/result.h src/core/rapidjson.h src/net/search_client.h \
 src/core/delivery.h src/core/operation.h src/core/settlement.h \
 src/core/time.h src/core/node_pool.h src/core/backoff.h src/pg/guard.h \
 src/pg/prelude.h src/pg/server_connection.h src/pg/server_options.h \
 src/pg/sql/arguments.h src/pg/catalog.h
src/core/index_body.h:
src/core/result.h:
src/core/rapidjson.h:
src/net/search_client.h:
src/core/delivery.h:
src/core/operation.h:
src/core/settlement.h:
src/core/time.h:
src/core/node_pool.h:
src/core/backoff.h:
src/pg/guard.h:
src/pg/prelude.h:
src/pg/server_connection.h:
src/pg/server_options.h:
src/pg/sql/arguments.h:
src/pg/catalog.h:
