# The shipped build (PGXS). The developer's build of core and net is CMakeLists.txt.
EXTENSION = polyglot_sync
EXTVERSION = 0.1.0
MODULE_big = polyglot_sync

SOURCES = $(wildcard src/core/*.cpp src/core/*/*.cpp src/net/*.cpp \
  src/pg/*.cpp src/pg/*/*.cpp src/pg/*/*/*.cpp)
# Test-only: limits that make a worker run out of memory or disk (test/faults/test_limits.py).
FAULT_LIMITS = src/pg/fault_points.cpp
SOURCES := $(if $(POLYGLOT_FAULT_LIMITS),$(SOURCES),$(filter-out $(FAULT_LIMITS),$(SOURCES)))
OBJS = $(SOURCES:.cpp=.o)
DATA_built = extension/polyglot_sync--$(EXTVERSION).sql
DATA = $(wildcard extension/polyglot_sync--*--*.sql)

# Every file of sql/ is a test; so none can be forgotten.
REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
REGRESS_OPTS = --inputdir=. --load-extension=polyglot_sync
ISOLATION = $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=test/isolation --load-extension=polyglot_sync

# PGXS would also compile LLVM bitcode, which needs clang and buys a background worker nothing.
override with_llvm = no
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)

WERROR ?= -Werror
override PG_CPPFLAGS += -Isrc -DPOLYGLOT_VERSION='"$(EXTVERSION)"'
override PG_CPPFLAGS += $(if $(POLYGLOT_FAULT_LIMITS),-DPOLYGLOT_FAULT_LIMITS)
PG_CXXFLAGS += -std=c++20 -O2 -fvisibility=hidden -fno-strict-aliasing \
  -isystem $(shell $(PG_CONFIG) --includedir-server) \
  -Wall -Wextra -Wshadow -Wno-register -Wno-missing-field-initializers $(WERROR)
SHLIB_LINK += -lcurl -lz -lstdc++
EXTRA_CLEAN = $(OBJS:.o=.d) extension/polyglot_sync--$(EXTVERSION).sql

include $(PGXS)

# PGXS puts its own -I before ours: -isystem on the same folder wins only when -I is dropped.
override CPPFLAGS := $(filter-out -I$(shell $(PG_CONFIG) --includedir-server),$(CPPFLAGS))

# The install script is the files of extension/ in the order of their names.
extension/polyglot_sync--$(EXTVERSION).sql: $(sort $(wildcard extension/[0-9][0-9]_*.sql))
	cat $^ > $@

$(OBJS): CXXFLAGS += -MMD -MP
-include $(OBJS:.o=.d)
