src/pg/sql/key_argument.o: src/pg/sql/key_argument.cpp \
 src/pg/sql/key_argument.h src/pg/catalog.h src/pg/prelude.h \
 src/core/document_id.h src/core/queue_record.h \
 src/pg/document/key_codec.h
src/pg/sql/key_argument.h:
src/pg/catalog.h:
src/pg/prelude.h:
src/core/document_id.h:
src/core/queue_record.h:
src/pg/document/key_codec.h:
