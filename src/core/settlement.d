src/core/settlement.o: src/core/settlement.cpp src/core/settlement.h \
 src/core/operation.h
src/core/settlement.h:
src/core/operation.h:
