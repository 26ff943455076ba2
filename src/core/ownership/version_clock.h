#pragma once
// When was a version made? Positions of the WAL are kept with the time at which the worker saw
// them, so that a version's age can be told: exactly for young ones, roughly for old ones.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace polyglot::core {

class VersionClock {
 public:
  /// When there are so many samples, at least 64, they are thinned: the further back, the further
  /// apart they are.
  explicit VersionClock(std::size_t most = 512) : most_(most) {}

  /// `position` is the end of the WAL at `time` (microseconds). Neither may go back.
  void Note(std::int64_t time, std::uint64_t position);

  struct Moment {
    std::int64_t time;
    bool exact;  // false: before `time`, nobody knows how long
  };
  /// When a version with this position was made, as late as it can have been.
  std::optional<Moment> MadeAt(std::uint64_t position) const;

 private:
  struct Sample {
    std::int64_t time;
    std::uint64_t position;
  };
  std::size_t most_;
  std::vector<Sample> samples_;
};

}  // namespace polyglot::core
