#pragma once
// Which syncs travel in requests of their own. Requests carry the operations of several syncs, and
// the answer comes when the slowest index is done: one that waits for shards, or for a slow
// pipeline, would hold up all others. A sync is *apart* from when a request with its operations was
// late, or was lost, until its index answers in time again. Who is to blame, an index or the
// server, is told by whether other syncs were answered meanwhile. Pure: no clock.

#include <array>
#include <cstdint>
#include <map>

#include "core/time.h"

namespace polyglot::core {

inline constexpr Time kLateAfter{600'000};    // without an answer for so long, a request is late
inline constexpr Time kSlowAfter{2'000'000};  // so late that its sync may not fill memory
inline constexpr Time kRecent{10'000'000};    // what others were told before says nothing any more

class Isolation {
 public:
  struct Record {
    bool seen_slow = false;      // in a request of its own
    bool slow = false;           // a request of its own was not answered for kSlowAfter
    bool named = false;          // and that has been told
    std::uint32_t prompt = 0;    // answers in time, in a row
    std::uint32_t failures = 0;  // requests of its own in a row without a usable answer
    Time failed_at{0};           // the last one
    std::uint64_t turn = 0;      // of its last request: who has waited longest goes first
  };

  /// A request with others was late or lost: it may be this one.
  void Suspect(std::int32_t sync) { (void)records_[sync]; }
  /// A request of its own was late.
  void Convict(std::int32_t sync);
  bool Apart(std::int32_t sync) const { return records_.contains(sync); }
  /// nullptr: not apart.
  Record* Find(std::int32_t sync);
  const Record* Find(std::int32_t sync) const;
  /// A request of its own was not answered; how many in a row now.
  std::uint32_t Failed(std::int32_t sync, Time now);
  /// An answer about its operations came after `latency`. true: it is apart no more.
  bool Answered(std::int32_t sync, Time latency, Time now);
  /// Was another sync answered, in time or at all, after `since` and not long ago?
  bool OthersInTime(std::int32_t sync, Time since, Time now) const;
  bool OthersAnswered(std::int32_t sync, Time since, Time now) const;
  bool AnsweredAfter(Time since) const { return any_.seen[0].at >= since; }
  void Forget(std::int32_t sync) { records_.erase(sync); }
  const std::map<std::int32_t, Record>& records() const { return records_; }

 private:
  // The last answers to two different syncs.
  struct Witnesses {
    struct Seen {
      std::int32_t sync = 0;
      Time at = Time::min();
    };
    std::array<Seen, 2> seen;
    void Note(std::int32_t sync, Time at);
    bool Other(std::int32_t sync, Time since) const;
  };
  std::map<std::int32_t, Record> records_;
  Witnesses in_time_, any_;
};

}  // namespace polyglot::core
