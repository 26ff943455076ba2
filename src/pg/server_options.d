src/pg/server_options.o: src/pg/server_options.cpp \
 src/pg/server_options.h src/pg/prelude.h src/pg/option_values.h
src/pg/server_options.h:
src/pg/prelude.h:
src/pg/option_values.h:
