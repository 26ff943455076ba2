src/net/multiplexer.o: src/net/multiplexer.cpp src/net/multiplexer.h
src/net/multiplexer.h:
