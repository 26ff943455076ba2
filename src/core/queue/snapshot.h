#pragma once
// Which transactions a reader has seen: the position of a sync is one of these.

#include <cstdint>
#include <vector>

namespace polyglot::core {

/// A PostgreSQL snapshot in full (64-bit) top-level transaction ids.
struct Snapshot {
  std::uint64_t xmin = 0;              // all below have ended
  std::uint64_t xmax = 0;              // none from here on has ended; 0: sees nothing
  std::vector<std::uint64_t> running;  // in between, sorted: not ended

  /// Had this transaction ended when the snapshot was taken? (For a committed one: is it seen?)
  bool Sees(std::uint64_t xid) const;
  bool operator==(const Snapshot&) const = default;
};

}  // namespace polyglot::core
