src/core/flow_control.o: src/core/flow_control.cpp \
 src/core/flow_control.h src/core/time.h
src/core/flow_control.h:
src/core/time.h:
