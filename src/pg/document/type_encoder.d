src/pg/document/type_encoder.o: src/pg/document/type_encoder.cpp \
 src/pg/document/type_encoder.h src/pg/document/type_class.h \
 src/core/type_mapping.h src/core/result.h src/pg/prelude.h \
 src/core/json_writer.h src/pg/document/key_codec.h \
 src/pg/document/scalar_encoders.h
src/pg/document/type_encoder.h:
src/pg/document/type_class.h:
src/core/type_mapping.h:
src/core/result.h:
src/pg/prelude.h:
src/core/json_writer.h:
src/pg/document/key_codec.h:
src/pg/document/scalar_encoders.h:
