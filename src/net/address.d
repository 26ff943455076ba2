src/net/address.o: src/net/address.cpp src/net/address.h
src/net/address.h:
