src/pg/sql/definition_check.o: src/pg/sql/definition_check.cpp \
 src/pg/sql/sync_checks.h src/pg/prelude.h src/pg/sql/arguments.h \
 src/pg/catalog.h
src/pg/sql/sync_checks.h:
src/pg/prelude.h:
src/pg/sql/arguments.h:
src/pg/catalog.h:
