src/pg/document/security_context.o: src/pg/document/security_context.cpp \
 src/pg/document/security_context.h src/pg/prelude.h
src/pg/document/security_context.h:
src/pg/prelude.h:
