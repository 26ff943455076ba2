src/pg/sql/arguments.o: src/pg/sql/arguments.cpp src/pg/sql/arguments.h \
 src/pg/catalog.h src/pg/prelude.h
src/pg/sql/arguments.h:
src/pg/catalog.h:
src/pg/prelude.h:
