#pragma once
// Which events are settled. Per sync and origin it counts operations by ticket number; a number is
// settled when nothing of it and of all lower numbers is outstanding. Numbers start at 1.

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "core/operation.h"

namespace polyglot::core {

class Settlement {
 public:
  /// Counts the operation's tickets (each that is not 0) as outstanding.
  void Add(std::int32_t sync, const Tickets& tickets);
  /// Takes them off again: the operation has its outcome, or was replaced (see Merge).
  void Release(std::int32_t sync, const Tickets& tickets);
  /// The tickets of an operation that replaces `older`: the lowest of each origin. The caller
  /// releases both and adds the merged ones, or calls Replace.
  static Tickets Merge(const Tickets& newer, const Tickets& older);
  /// `newer` takes over `older`: counts are adjusted and newer's tickets become the merged ones.
  void Replace(std::int32_t sync, Tickets* newer, const Tickets& older);

  /// Highest scan/page/walk/probe number below which (and including which) nothing is outstanding,
  /// given that `newest` is the highest number handed out.
  std::uint64_t SettledScan(std::int32_t sync, std::uint64_t newest) const;
  std::uint64_t SettledPage(std::int32_t sync, std::uint64_t newest) const;
  std::uint64_t SettledWalk(std::int32_t sync, std::uint64_t newest) const;
  std::uint64_t SettledProbe(std::int32_t sync, std::uint64_t newest) const;

  /// Lowest outstanding scan number of any sync; 0 when none: what queue rotation waits for.
  std::uint64_t LowestScan() const;
  /// All of them, in ascending order, each once.
  std::vector<std::uint64_t> OutstandingScans() const;
  /// Does any operation of the sync wait with this very number?
  bool ScanOutstanding(std::int32_t sync, std::uint64_t number) const;
  /// Outstanding operations of a sync that came from the queue.
  std::uint64_t OutstandingEvents(std::int32_t sync) const;
  void Forget(std::int32_t sync);

 private:
  using Counts = std::map<std::uint64_t, std::uint64_t>;
  struct PerSync {
    Counts scan, page, walk, probe;
    std::uint64_t events = 0;
  };
  std::unordered_map<std::int32_t, PerSync> syncs_;
};

}  // namespace polyglot::core
