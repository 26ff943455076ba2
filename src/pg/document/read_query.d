src/pg/document/read_query.o: src/pg/document/read_query.cpp \
 src/pg/document/read_query.h src/pg/document/read_plan.h \
 src/pg/catalog.h src/pg/prelude.h src/pg/document/key_codec.h \
 src/pg/document/type_encoder.h src/pg/document/type_class.h \
 src/core/type_mapping.h src/core/result.h
src/pg/document/read_query.h:
src/pg/document/read_plan.h:
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/document/key_codec.h:
src/pg/document/type_encoder.h:
src/pg/document/type_class.h:
src/core/type_mapping.h:
src/core/result.h:
