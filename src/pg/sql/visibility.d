src/pg/sql/visibility.o: src/pg/sql/visibility.cpp \
 src/pg/sql/visibility.h src/pg/catalog.h src/pg/prelude.h \
 src/pg/server_options.h
src/pg/sql/visibility.h:
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/server_options.h:
