src/pg/catalog.o: src/pg/catalog.cpp src/pg/catalog.h src/pg/prelude.h
src/pg/catalog.h:
src/pg/prelude.h:
