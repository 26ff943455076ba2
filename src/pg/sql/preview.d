src/pg/sql/preview.o: src/pg/sql/preview.cpp src/pg/catalog.h \
 src/pg/prelude.h src/pg/document/row_reader.h src/pg/guard.h \
 src/pg/sql/key_argument.h
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/document/row_reader.h:
src/pg/guard.h:
src/pg/sql/key_argument.h:
