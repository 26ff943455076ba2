#include "pg/source/tree_lock.h"

#include "pg/guard.h"
#include "pg/settings.h"
#include "pg/source/source_tree.h"

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

// Locks one relation, waiting until `deadline` at most. Plain data only: see guard.h.
void LockUntil(Oid relation, TimestampTz deadline) {
  if (ConditionalLockRelationOid(relation, ShareRowExclusiveLock)) return;
  long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
  char text[32];
  snprintf(text, sizeof text, "%ld", Max(left, 1));
  int level = NewGUCNestLevel();
  (void)set_config_option("lock_timeout", text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                          0, false);
  LockRelationOid(relation, ShareRowExclusiveLock);
  AtEOXact_GUC(false, level);
}

void LockOrExplain(Oid relation, TimestampTz deadline) {
  const char* name = get_rel_name(relation);
  Enter([&] {
    try {
      Call([&] { LockUntil(relation, deadline); });
    } catch (PgError& error) {
      if (error.sqlstate == ERRCODE_LOCK_NOT_AVAILABLE) {
        snprintf(error.message, sizeof error.message,
                 "could not lock table \"%s\" within polyglot_sync.lock_timeout (%d ms)",
                 name ? name : "", settings.lock_timeout_ms);
        strlcpy(error.hint,
                "Transactions that write to the table are running. Wait for them to end, or raise "
                "polyglot_sync.lock_timeout.",
                sizeof error.hint);
      }
      throw;
    }
  });
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

List* LockTree(Oid source) {
  TimestampTz deadline =
      TimestampTzPlusMilliseconds(GetCurrentTimestamp(), settings.lock_timeout_ms);
  // A locked relation gets no new children, so the walk is complete when it finds nothing new.
  int locked = 0;
  for (;;) {
    List* tree = SourceTree(source);
    for (int i = 0; i < list_length(tree); ++i) LockOrExplain(list_nth_oid(tree, i), deadline);
    if (list_length(tree) == locked) return tree;
    locked = list_length(tree);
  }
}

}  // namespace polyglot::pg
