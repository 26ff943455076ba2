src/net/http_client.o: src/net/http_client.cpp src/net/http_client.h \
 src/core/time.h src/net/multiplexer.h src/net/transfer.h
src/net/http_client.h:
src/core/time.h:
src/net/multiplexer.h:
src/net/transfer.h:
