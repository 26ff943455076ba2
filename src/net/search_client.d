src/net/search_client.o: src/net/search_client.cpp \
 src/net/search_client.h src/core/delivery.h src/core/operation.h \
 src/core/settlement.h src/core/time.h src/core/node_pool.h \
 src/core/backoff.h src/core/result.h src/net/address.h src/net/gzip.h \
 src/net/http_client.h
src/net/search_client.h:
src/core/delivery.h:
src/core/operation.h:
src/core/settlement.h:
src/core/time.h:
src/core/node_pool.h:
src/core/backoff.h:
src/core/result.h:
src/net/address.h:
src/net/gzip.h:
src/net/http_client.h:
