#include "pg/document/table_lock.h"

namespace polyglot::pg {
namespace {

// Its indexes as well: REINDEX locks nothing else.
bool TryLock(Oid relation) {
  if (!ConditionalLockRelationOid(relation, AccessShareLock)) return false;
  Relation rel = try_relation_open(relation, NoLock);
  if (rel == nullptr) return true;
  List* indexes = RelationGetIndexList(rel);
  relation_close(rel, NoLock);
  ListCell* cell;
  foreach (cell, indexes)
    if (!ConditionalLockRelationOid(lfirst_oid(cell), AccessShareLock)) return false;
  return true;
}

}  // namespace

bool TryLockTree(Oid relation) {
  if (!TryLock(relation)) return false;
  if (!has_subclass(relation)) return true;
  ListCell* cell;
  foreach (cell, find_all_inheritors(relation, NoLock, nullptr))
    if (!TryLock(lfirst_oid(cell))) return false;
  return true;
}

}  // namespace polyglot::pg
