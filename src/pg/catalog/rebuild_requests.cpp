#include "pg/catalog/rebuild_requests.h"

#include <vector>

#include "pg/catalog/own_relations.h"
#include "pg/catalog/statement.h"

namespace polyglot::pg {
namespace {

constexpr char kTake[] =
    "DELETE FROM polyglot.rebuild_request r USING (SELECT q.sync_id, q.number"
    " FROM polyglot.rebuild_request q JOIN polyglot.sync_state s ON s.sync_id = q.sync_id"
    " WHERE s.server = $1::pg_catalog.oid AND q.sync_id = ANY ($2::pg_catalog.int4[])"
    " FOR UPDATE OF q SKIP LOCKED"
    " FOR NO KEY UPDATE OF s SKIP LOCKED) t"
    " WHERE r.sync_id = t.sync_id AND r.number = t.number"
    " RETURNING r.sync_id, r.reason, r.outdated, r.frozen";

}  // namespace

// Asked with each scan, and there is nothing nearly always.
bool AnyRequest() {
  Relation rel = table_open(OurRelation("rebuild_request"), AccessShareLock);
  bool any = false;
  if (RelationGetNumberOfBlocks(rel) > 0) {
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    TableScanDesc scan = table_beginscan(rel, snapshot, 0, nullptr);
    any = heap_getnext(scan, ForwardScanDirection) != nullptr;
    table_endscan(scan);
    UnregisterSnapshot(snapshot);
  }
  table_close(rel, AccessShareLock);
  return any;
}

bool AnyRebuild(int32 sync) {
  return Finds(
      "SELECT 1 FROM polyglot.rebuild_request WHERE sync_id = $1"
      " UNION ALL SELECT 1 FROM polyglot.sync_state WHERE builds = $1 LIMIT 1",
      sync);
}

bool TruncationRequested(int32 sync) {
  if (!AnyRequest()) return false;
  const std::string id = std::to_string(sync);
  return Execute(
             "SELECT 1 FROM polyglot.rebuild_request WHERE sync_id = $1::pg_catalog.int4"
             " AND frozen",
             {id.c_str()}) > 0;
}

std::vector<RebuildRequest> TakeRequests(Oid server, const std::string& syncs) {
  std::vector<RebuildRequest> requests;
  const std::string number = std::to_string(server);
  const uint64 rows = Execute(kTake, {number.c_str(), syncs.c_str()});
  TupleDesc desc = rows == 0 ? nullptr : SPI_tuptable->tupdesc;
  for (uint64 i = 0; i < rows; i++) {
    bool isnull;
    HeapTuple tuple = SPI_tuptable->vals[i];
    const char* reason = SPI_getvalue(tuple, desc, 2);
    requests.push_back({.sync = DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull)),
                        .reason = reason == nullptr ? "" : reason,
                        .outdated = DatumGetBool(SPI_getbinval(tuple, desc, 3, &isnull)),
                        .frozen = DatumGetBool(SPI_getbinval(tuple, desc, 4, &isnull))});
  }
  return requests;
}

}  // namespace polyglot::pg
