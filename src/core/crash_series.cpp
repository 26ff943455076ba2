#include "core/crash_series.h"

namespace polyglot::core {

void CrashSeries::Note(Time now) {
  count_ = Count(now) + 1;
  last_ = now;
}

int CrashSeries::Count(Time now) const { return now - last_ < kCalm ? count_ : 0; }

}  // namespace polyglot::core
