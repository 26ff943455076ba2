src/pg/settings.o: src/pg/settings.cpp src/pg/settings.h \
 src/pg/worker/fault_limits.h src/pg/prelude.h
src/pg/settings.h:
src/pg/worker/fault_limits.h:
src/pg/prelude.h:
