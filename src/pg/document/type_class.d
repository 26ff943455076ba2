src/pg/document/type_class.o: src/pg/document/type_class.cpp \
 src/pg/document/type_class.h src/core/type_mapping.h src/core/result.h \
 src/pg/prelude.h src/pg/document/key_codec.h
src/pg/document/type_class.h:
src/core/type_mapping.h:
src/core/result.h:
src/pg/prelude.h:
src/pg/document/key_codec.h:
