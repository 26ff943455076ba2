#include "pg/document/table_lock.h"

namespace polyglot::pg {
namespace {

volatile Oid awaited = InvalidOid;

// A timeout of a lock comes as this signal while the process is still in ProcSleep. Later nobody
// knows what was waited for.
extern "C" void polyglot_note_lock_wait(SIGNAL_ARGS) {
  const LOCK* lock = MyProc->waitLock;
  const bool relation = lock != nullptr && lock->tag.locktag_type == LOCKTAG_RELATION;
  awaited = relation ? lock->tag.locktag_field2 : InvalidOid;
  StatementCancelHandler(postgres_signal_arg);
}

bool IsOurs(const LockInstanceData& lock) {
  return lock.pid == MyProcPid && lock.holdMask != 0 &&
         lock.locktag.locktag_type == LOCKTAG_RELATION &&
         lock.locktag.locktag_field1 == MyDatabaseId;
}

}  // namespace

bool TryLockOne(Oid relation) { return ConditionalLockRelationOid(relation, AccessShareLock); }

Oid TryLockWithIndexes(Oid relation) {
  if (!TryLockOne(relation)) return relation;
  Relation rel = try_relation_open(relation, NoLock);
  if (rel == nullptr) return InvalidOid;
  List* indexes = RelationGetIndexList(rel);
  relation_close(rel, NoLock);
  ListCell* cell;
  foreach (cell, indexes)
    if (!TryLockOne(lfirst_oid(cell))) return lfirst_oid(cell);
  return InvalidOid;
}

Oid TryLockTree(Oid relation) {
  Oid locked = TryLockWithIndexes(relation);
  if (OidIsValid(locked) || !has_subclass(relation)) return locked;
  ListCell* cell;
  foreach (cell, find_all_inheritors(relation, NoLock, nullptr))
    if (OidIsValid(locked = TryLockWithIndexes(lfirst_oid(cell)))) return locked;
  return InvalidOid;
}

List* LockedRelations() {
  List* relations = NIL;
  const LockData* locks = GetLockStatusData();
  for (int i = 0; i < locks->nelements; ++i)
    if (IsOurs(locks->locks[i]))
      relations = lappend_oid(relations, locks->locks[i].locktag.locktag_field2);
  return relations;
}

void BePatientFor(const char* time) {
  (void)set_config_option("lock_timeout", time, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                          0, false);
}

void WatchLockWaits() { pqsignal(SIGINT, polyglot_note_lock_wait); }

Oid AwaitedRelation() { return awaited; }

Oid TableOf(Oid relation) {
  const char kind = get_rel_relkind(relation);
  if (kind != RELKIND_INDEX && kind != RELKIND_PARTITIONED_INDEX)
    return kind == '\0' ? InvalidOid : relation;
  HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  const Oid table = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple))->indrelid;
  ReleaseSysCache(tuple);
  return table;
}

char* NameOfLocked(Oid relation) {
  relation = TableOf(relation);
  const char* name = OidIsValid(relation) ? get_rel_name(relation) : nullptr;
  if (name == nullptr) return nullptr;
  return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
}

}  // namespace polyglot::pg
