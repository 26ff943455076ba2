src/pg/queue_tables.o: src/pg/queue_tables.cpp src/pg/catalog.h \
 src/pg/prelude.h
src/pg/catalog.h:
src/pg/prelude.h:
