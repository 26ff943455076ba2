src/net/gzip.o: src/net/gzip.cpp src/net/gzip.h
src/net/gzip.h:
