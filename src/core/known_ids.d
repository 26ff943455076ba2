src/core/known_ids.o: src/core/known_ids.cpp src/core/known_ids.h
src/core/known_ids.h:
