src/pg/sql/expression_check.o: src/pg/sql/expression_check.cpp \
 src/pg/sql/expression_check.h src/pg/prelude.h
src/pg/sql/expression_check.h:
src/pg/prelude.h:
