src/pg/document/scalar_encoders.o: src/pg/document/scalar_encoders.cpp \
 src/pg/document/scalar_encoders.h src/pg/document/type_encoder.h \
 src/pg/document/type_class.h src/core/type_mapping.h src/core/result.h \
 src/pg/prelude.h src/core/json_writer.h src/pg/document/key_codec.h
src/pg/document/scalar_encoders.h:
src/pg/document/type_encoder.h:
src/pg/document/type_class.h:
src/core/type_mapping.h:
src/core/result.h:
src/pg/prelude.h:
src/core/json_writer.h:
src/pg/document/key_codec.h:
