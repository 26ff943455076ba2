src/core/refusals.o: src/core/refusals.cpp src/core/refusals.h
src/core/refusals.h:
