#pragma once
// polyglot.rebuild_request: new generations that are asked for. Needs a transaction; may ereport.

#include <string>
#include <vector>

#include "pg/prelude.h"

namespace polyglot::pg {

/// Is a new index asked for, or being filled, for this sync?
bool AnyRebuild(int32 sync);
/// Is there any, of whatever sync? Cheaper than a statement.
bool AnyRequest();
/// Has its table been truncated as far as a snapshot taken now sees it?
bool TruncationRequested(int32 sync);

struct RebuildRequest {
  int32 sync = 0;
  std::string reason;
  bool outdated = false;  // the live index shows what the table does not hold any more
  bool frozen = false;    // and nothing may be delivered to it
};
/// Takes those of these syncs (an array of numbers as text) away. What somebody has locked, request
/// or sync, stays.
std::vector<RebuildRequest> TakeRequests(Oid server, const std::string& syncs);

}  // namespace polyglot::pg
