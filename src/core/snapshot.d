src/core/snapshot.o: src/core/snapshot.cpp src/core/snapshot.h
src/core/snapshot.h:
