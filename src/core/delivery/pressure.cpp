#include "core/delivery/pressure.h"

#include <algorithm>
#include <bit>

namespace polyglot::core {
namespace {

constexpr std::size_t kNeverTooLarge = 64u << 10;

std::size_t ClassOf(std::size_t bytes) { return static_cast<std::size_t>(std::bit_width(bytes)); }

}  // namespace

void Pressure::Taken(std::int32_t sync, Time now) { taken_[sync] = taken_[kAny] = now; }

void Pressure::Refused(std::size_t bytes, Time now) { refused_[ClassOf(bytes)] = now; }

bool Pressure::SmallerRefused(std::size_t bytes, Time after) const {
  return std::any_of(refused_.begin(), refused_.begin() + std::ptrdiff_t(ClassOf(bytes)),
                     [&](Time at) { return at > after; });
}

bool Pressure::Blames(LoneRefusals* seen, std::int32_t sync, std::size_t bytes, Time now) {
  Refused(bytes, now);
  if (bytes <= kNeverTooLarge) return false;
  if (seen->count == 0 || SmallerRefused(bytes, seen->last)) {
    *seen = {.count = 1, .first = now, .last = now};
    return false;
  }
  const auto taken = taken_.find(sync);
  if (taken == taken_.end() || taken->second <= seen->last) return false;
  ++seen->count;
  seen->last = now;
  return seen->count >= kRefusalsForGood && now - seen->first >= kRefusedForGood;
}

}  // namespace polyglot::core
