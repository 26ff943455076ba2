src/pg/document/derive_mapping.o: src/pg/document/derive_mapping.cpp \
 src/core/type_mapping.h src/core/result.h src/pg/document/key_codec.h \
 src/pg/prelude.h src/pg/document/row_reader.h src/pg/catalog.h \
 src/pg/guard.h src/pg/document/type_class.h
src/core/type_mapping.h:
src/core/result.h:
src/pg/document/key_codec.h:
src/pg/prelude.h:
src/pg/document/row_reader.h:
src/pg/catalog.h:
src/pg/guard.h:
src/pg/document/type_class.h:
