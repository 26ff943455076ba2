src/pg/option_values.o: src/pg/option_values.cpp src/pg/option_values.h \
 src/pg/prelude.h src/pg/shared_state.h
src/pg/option_values.h:
src/pg/prelude.h:
src/pg/shared_state.h:
