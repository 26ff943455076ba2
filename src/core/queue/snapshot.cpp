#include "core/queue/snapshot.h"

#include <algorithm>

namespace polyglot::core {

bool Snapshot::Sees(std::uint64_t xid) const {
  if (xid >= xmax) return false;
  if (xid < xmin) return true;
  return !std::binary_search(running.begin(), running.end(), xid);
}

}  // namespace polyglot::core
