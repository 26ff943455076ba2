src/net/transfer.o: src/net/transfer.cpp src/net/transfer.h \
 src/core/time.h src/net/http_client.h src/net/address.h
src/net/transfer.h:
src/core/time.h:
src/net/http_client.h:
src/net/address.h:
