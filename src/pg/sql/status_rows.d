src/pg/sql/status_rows.o: src/pg/sql/status_rows.cpp \
 src/pg/server_options.h src/pg/prelude.h src/pg/shared_state.h \
 src/pg/sql/visibility.h src/pg/catalog.h
src/pg/server_options.h:
src/pg/prelude.h:
src/pg/shared_state.h:
src/pg/sql/visibility.h:
src/pg/catalog.h:
