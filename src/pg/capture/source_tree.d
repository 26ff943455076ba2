src/pg/capture/source_tree.o: src/pg/capture/source_tree.cpp \
 src/pg/capture/source_tree.h src/pg/prelude.h
src/pg/capture/source_tree.h:
src/pg/prelude.h:
