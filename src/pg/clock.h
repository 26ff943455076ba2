#pragma once
// Where the worker gets its time from; core and net are told.

#include <time.h>

#include "core/time.h"

namespace polyglot::pg {

/// Monotonic time, microseconds.
inline core::Time MonotonicNow() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return core::Time{static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000};
}

}  // namespace polyglot::pg
