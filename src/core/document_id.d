src/core/document_id.o: src/core/document_id.cpp src/core/document_id.h
src/core/document_id.h:
