src/pg/document/key_codec.o: src/pg/document/key_codec.cpp \
 src/pg/document/key_codec.h src/pg/prelude.h src/core/queue_record.h
src/pg/document/key_codec.h:
src/pg/prelude.h:
src/core/queue_record.h:
