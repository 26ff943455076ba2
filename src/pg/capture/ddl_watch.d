src/pg/capture/ddl_watch.o: src/pg/capture/ddl_watch.cpp \
 src/pg/capture/capture_triggers.h src/pg/prelude.h \
 src/pg/capture/source_tree.h src/pg/capture/source_watch.h \
 src/pg/catalog.h src/pg/server_options.h src/pg/sql/published.h
src/pg/capture/capture_triggers.h:
src/pg/prelude.h:
src/pg/capture/source_tree.h:
src/pg/capture/source_watch.h:
src/pg/catalog.h:
src/pg/server_options.h:
src/pg/sql/published.h:
