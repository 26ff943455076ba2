src/pg/config_change.o: src/pg/config_change.cpp src/pg/catalog.h \
 src/pg/prelude.h src/pg/shared_state.h
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/shared_state.h:
