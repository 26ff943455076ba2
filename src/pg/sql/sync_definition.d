src/pg/sql/sync_definition.o: src/pg/sql/sync_definition.cpp \
 src/pg/sql/sync_definition.h src/pg/prelude.h src/pg/sql/arguments.h \
 src/pg/catalog.h src/pg/capture/capture_triggers.h \
 src/pg/sql/expression_check.h src/pg/sql/published.h \
 src/pg/sql/sync_checks.h
src/pg/sql/sync_definition.h:
src/pg/prelude.h:
src/pg/sql/arguments.h:
src/pg/catalog.h:
src/pg/capture/capture_triggers.h:
src/pg/sql/expression_check.h:
src/pg/sql/published.h:
src/pg/sql/sync_checks.h:
