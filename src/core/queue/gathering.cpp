#include "core/queue/gathering.h"

#include <algorithm>
#include <cmath>

namespace polyglot::core {
namespace {

constexpr double kMemory = 200'000;  // microseconds after which a change counts for a third
constexpr double kSlope = 20;        // microseconds for each change a second
constexpr double kEnough = 1000;     // more changes at once cost no less each
constexpr double kLongest = 25;      // times `linger`

}  // namespace

void Gathering::Found(std::int64_t changes, Time now) {
  if (changes <= 0) return;
  const auto since = static_cast<double>((now - found_at_).count());
  rate_ = rate_ * std::exp(-since / kMemory) + static_cast<double>(changes) * 1e6 / kMemory;
  found_at_ = now;
}

Time Gathering::Due(Time linger) const {
  if (rate_ <= 0) return found_at_ + linger;
  const auto shortest = static_cast<double>(linger.count());
  const double wait = std::min({rate_ * kSlope, kEnough * 1e6 / rate_, kLongest * shortest});
  return found_at_ + Time{static_cast<std::int64_t>(std::max(wait, shortest))};
}

}  // namespace polyglot::core
