src/pg/worker/launcher.o: src/pg/worker/launcher.cpp \
 src/pg/worker/launcher.h src/pg/catalog.h src/pg/prelude.h \
 src/pg/settings.h src/pg/shared_state.h
src/pg/worker/launcher.h:
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/settings.h:
src/pg/shared_state.h:
