src/pg/sql/source_check.o: src/pg/sql/source_check.cpp \
 src/pg/sql/sync_checks.h src/pg/prelude.h src/pg/sql/arguments.h \
 src/pg/catalog.h src/pg/capture/source_tree.h
src/pg/sql/sync_checks.h:
src/pg/prelude.h:
src/pg/sql/arguments.h:
src/pg/catalog.h:
src/pg/capture/source_tree.h:
