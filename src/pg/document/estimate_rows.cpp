#include "pg/document/reader_state.h"
#include "pg/prelude.h"
#include "pg/source/tree_lock.h"

namespace polyglot::pg {

std::int64_t EstimateTree(Oid relation) {
  double sum = 0;
  ListCell* cell;
  foreach (cell, find_all_inheritors(relation, NoLock, nullptr)) {
    if (!TryLockOne(lfirst_oid(cell))) continue;
    Relation part = try_relation_open(lfirst_oid(cell), NoLock);
    if (part == nullptr) continue;
    if (RELKIND_HAS_TABLE_AM(part->rd_rel->relkind)) {
      BlockNumber pages;
      double tuples, all_visible;
      estimate_rel_size(part, nullptr, &pages, &tuples, &all_visible);
      sum += tuples;
    }
    relation_close(part, AccessShareLock);
  }
  return static_cast<std::int64_t>(sum);
}

}  // namespace polyglot::pg
