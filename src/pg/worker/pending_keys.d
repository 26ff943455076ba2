src/pg/worker/pending_keys.o: src/pg/worker/pending_keys.cpp \
 src/pg/worker/pending_keys.h src/core/settlement.h src/core/operation.h
src/pg/worker/pending_keys.h:
src/core/settlement.h:
src/core/operation.h:
