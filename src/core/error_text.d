src/core/error_text.o: src/core/error_text.cpp src/core/error_text.h
src/core/error_text.h:
