src/pg/worker/probe.o: src/pg/worker/probe.cpp src/pg/catalog.h \
 src/pg/prelude.h src/pg/shared_state.h src/pg/worker/launcher.h
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/shared_state.h:
src/pg/worker/launcher.h:
