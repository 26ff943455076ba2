src/core/json_writer.o: src/core/json_writer.cpp src/core/json_writer.h
src/core/json_writer.h:
