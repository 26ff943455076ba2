#pragma once
// Pages of a table with very many partitions, read partition by partition (in the order of their
// OIDs, by key within each): a plan for all of them takes seconds and hundreds of megabytes, and
// ANALYZE of any one throws it away. Only the partitions that a page comes from are locked.

#include <string>
#include <string_view>
#include <vector>

#include "pg/document/reader_state.h"

namespace polyglot::pg {

/// How far pages have come: behind `key` (packed; empty: at the begin) of this partition, or of the
/// next one if it is not there.
struct PartCursor {
  Oid part = InvalidOid;
  std::string key;
};
/// In one string, which is no packed key.
std::string PackCursor(const PartCursor& cursor);
bool UnpackCursor(std::string_view packed, PartCursor* cursor);

/// The partitions that have rows.
class Parts {
 public:
  explicit Parts(Oid source) : source_(source) {}
  /// The first one from `part` on; InvalidOid: there is none. May throw PgError.
  Oid From(Oid part);

 private:
  Oid source_;
  bool known_ = false;
  std::vector<Oid> parts_;  // sorted
};

/// Is it still below the source, and does reading it alone need no other rights? Ask under its
/// lock. May throw PgError.
PartState StateOfPart(const ReadPlan& plan, Oid part);

}  // namespace polyglot::pg
