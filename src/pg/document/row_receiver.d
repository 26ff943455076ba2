src/pg/document/row_receiver.o: src/pg/document/row_receiver.cpp \
 src/pg/document/row_receiver.h src/pg/document/read_plan.h \
 src/pg/catalog.h src/pg/prelude.h src/pg/document/key_codec.h \
 src/pg/document/type_encoder.h src/pg/document/type_class.h \
 src/core/type_mapping.h src/core/result.h src/pg/document/row_reader.h \
 src/pg/guard.h src/core/document_id.h src/core/queue_record.h
src/pg/document/row_receiver.h:
src/pg/document/read_plan.h:
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/document/key_codec.h:
src/pg/document/type_encoder.h:
src/pg/document/type_class.h:
src/core/type_mapping.h:
src/core/result.h:
src/pg/document/row_reader.h:
src/pg/guard.h:
src/core/document_id.h:
src/core/queue_record.h:
