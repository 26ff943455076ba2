#pragma once
// polyglot.dropped_index: indexes that are to be deleted. Needs a transaction; may ereport, and
// what takes or gives C++ objects is for the worker alone, whose process ends then.

#include <cstdint>
#include <string>
#include <vector>

#include "pg/prelude.h"

namespace polyglot::pg {

/// Ends an INSERT into polyglot.dropped_index: what has the name may be another index by now.
inline constexpr char kDroppedAgain[] =
    " ON CONFLICT (server, physical_index) DO UPDATE SET index_uuid = excluded.index_uuid,"
    " alias = excluded.alias, unless_aliased = excluded.unless_aliased, owner = excluded.owner,"
    " not_before = excluded.not_before";

struct DroppedIndex {
  std::string index, alias;
  std::string uuid;             // "": not known
  bool unless_aliased = false;  // not if the alias points to it by now
  std::int64_t wait_us = 0;     // not before so long from now
  Oid owner = InvalidOid;       // whose credentials are used
};
void InsertDropped(Oid server, const DroppedIndex& dropped);
/// It is deleted, unless the row is that of another index by now. false: somebody's open
/// transaction (drop_sync, DROP SERVER) has the row.
bool DeleteDropped(Oid server, const std::string& index, const std::string& uuid);
std::vector<DroppedIndex> LoadDropped(Oid server);
/// After DROP SERVER.
void ForgetDropped(Oid server);

}  // namespace polyglot::pg
