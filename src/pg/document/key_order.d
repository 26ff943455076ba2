src/pg/document/key_order.o: src/pg/document/key_order.cpp \
 src/pg/document/key_order.h src/pg/document/read_plan.h src/pg/catalog.h \
 src/pg/prelude.h src/pg/document/key_codec.h \
 src/pg/document/type_encoder.h src/pg/document/type_class.h \
 src/core/type_mapping.h src/core/result.h src/pg/capture/source_tree.h
src/pg/document/key_order.h:
src/pg/document/read_plan.h:
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/document/key_codec.h:
src/pg/document/type_encoder.h:
src/pg/document/type_class.h:
src/core/type_mapping.h:
src/core/result.h:
src/pg/capture/source_tree.h:
