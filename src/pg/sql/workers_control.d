src/pg/sql/workers_control.o: src/pg/sql/workers_control.cpp \
 src/pg/shared_state.h src/pg/prelude.h src/pg/sql/arguments.h \
 src/pg/catalog.h
src/pg/shared_state.h:
src/pg/prelude.h:
src/pg/sql/arguments.h:
src/pg/catalog.h:
