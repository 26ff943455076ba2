#include "core/ownership/version_clock.h"

#include <algorithm>

namespace polyglot::core {
namespace {

constexpr std::int64_t kInterval = 1'000'000;
// Samples are apart by age / (most / kDensity): for years, fewer than `most` are left.
constexpr std::int64_t kDensity = 32;

}  // namespace

void VersionClock::Note(std::int64_t time, std::uint64_t position) {
  if (!samples_.empty() &&
      (time - samples_.back().time < kInterval || position <= samples_.back().position))
    return;
  samples_.push_back({time, position});
  if (samples_.size() < most_) return;
  std::size_t kept = 1;
  for (std::size_t i = 1; i < samples_.size(); ++i) {
    const std::int64_t gap = samples_[i].time - samples_[kept - 1].time;
    const std::int64_t age = time - samples_[i].time;
    if (gap > age / static_cast<std::int64_t>(most_) * kDensity) samples_[kept++] = samples_[i];
  }
  samples_.resize(kept);
}

std::optional<VersionClock::Moment> VersionClock::MadeAt(std::uint64_t position) const {
  const auto later =
      std::lower_bound(samples_.begin(), samples_.end(), position,
                       [](const Sample& sample, std::uint64_t p) { return sample.position < p; });
  if (later == samples_.end()) return std::nullopt;
  return Moment{later->time, later != samples_.begin()};
}

}  // namespace polyglot::core
