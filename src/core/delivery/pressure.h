#pragma once
// Who is at fault when the server refuses a request for want of memory (429, a circuit breaker):
// the server, which is full, or one document that is larger than it will ever take. It is the
// document when it was refused alone again and again, for a minute at least, while others were
// taken in between and nothing smaller was refused. Pure: no clock.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "core/time.h"

namespace polyglot::core {

/// How often, and for how long, a document is refused before it is given up.
inline constexpr std::uint32_t kRefusalsForGood = 10;
inline constexpr Time kRefusedForGood{60'000'000};

/// What is remembered of one operation: refusals alone in a request, each after others were taken.
struct LoneRefusals {
  std::uint32_t count = 0;
  Time first{0}, last{0};
};

class Pressure {
 public:
  static constexpr std::int32_t kAny = 0;

  /// Something of this sync, or (kAny) a write that is no sync's, was taken.
  void Taken(std::int32_t sync, Time now);
  /// A request, or an item of one, of so many bytes was refused for want of room.
  void Refused(std::size_t bytes, Time now);
  /// An operation of so many bytes was refused alone. Will it be for good? `sync`: whose others
  /// must have been taken meanwhile; kAny: anybody's.
  bool Blames(LoneRefusals* seen, std::int32_t sync, std::size_t bytes, Time now);
  void Forget(std::int32_t sync) { taken_.erase(sync); }

 private:
  bool SmallerRefused(std::size_t bytes, Time after) const;
  std::map<std::int32_t, Time> taken_;  // the last time
  std::array<Time, 65> refused_{};      // the same, by the number of bits of the size
};

}  // namespace polyglot::core
