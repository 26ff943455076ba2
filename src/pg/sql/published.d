src/pg/sql/published.o: src/pg/sql/published.cpp src/pg/sql/published.h \
 src/pg/catalog.h src/pg/prelude.h src/pg/capture/transaction_buffer.h \
 src/core/queue_record.h src/pg/capture/capture_plan.h \
 src/pg/document/security_context.h src/pg/sql/arguments.h \
 src/pg/sql/key_argument.h src/pg/sql/visibility.h
src/pg/sql/published.h:
src/pg/catalog.h:
src/pg/prelude.h:
src/pg/capture/transaction_buffer.h:
src/core/queue_record.h:
src/pg/capture/capture_plan.h:
src/pg/document/security_context.h:
src/pg/sql/arguments.h:
src/pg/sql/key_argument.h:
src/pg/sql/visibility.h:
