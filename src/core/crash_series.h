#pragma once
// Crashes that have to do with each other: each came soon after the one before. One that kills
// whoever reads it kills again within minutes; a crash of last month says nothing about today's.

#include "core/time.h"

namespace polyglot::core {

class CrashSeries {
 public:
  static constexpr Time kCalm{3'600'000'000};  // without a crash for so long: it is over

  void Note(Time now);
  /// Crashes so far; 0: there was none, or the last one was long ago.
  int Count(Time now) const;

 private:
  int count_ = 0;
  Time last_{0};
};

}  // namespace polyglot::core
