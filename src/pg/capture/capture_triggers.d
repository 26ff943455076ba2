src/pg/capture/capture_triggers.o: src/pg/capture/capture_triggers.cpp \
 src/pg/capture/capture_triggers.h src/pg/prelude.h \
 src/pg/capture/source_tree.h src/pg/catalog.h src/pg/guard.h \
 src/pg/settings.h
src/pg/capture/capture_triggers.h:
src/pg/prelude.h:
src/pg/capture/source_tree.h:
src/pg/catalog.h:
src/pg/guard.h:
src/pg/settings.h:
