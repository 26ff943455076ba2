src/pg/sql/verify_sync.o: src/pg/sql/verify_sync.cpp \
 src/pg/shared_state.h src/pg/prelude.h src/pg/sql/arguments.h \
 src/pg/catalog.h
src/pg/shared_state.h:
src/pg/prelude.h:
src/pg/sql/arguments.h:
src/pg/catalog.h:
