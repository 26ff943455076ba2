#pragma once
// Locks for reading rows, got without waiting, or with next to no patience where it is not known
// beforehand which they are.

#include "pg/prelude.h"

namespace polyglot::pg {

/// Locks a relation, the tables below it and their indexes (ACCESS SHARE) until the end of the
/// transaction. InvalidOid: done. Otherwise somebody is at work on this one, or waits to be. May
/// ereport.
Oid TryLockTree(Oid relation);
/// The same for one relation and its indexes: REINDEX locks nothing else.
Oid TryLockWithIndexes(Oid relation);
/// The same for one relation alone.
bool TryLockOne(Oid relation);

/// Relations, indexes too, that this transaction has locked by now: what a plan, the functions in
/// it and the planner itself need is known by nothing else. Not cheap. A palloc'd list of Oid.
List* LockedRelations();

/// How long something that this worker runs may wait for a lock: so short that nobody who waits for
/// one of the worker's own becomes the victim of a deadlock.
inline constexpr char kLockPatience[] = "10ms";
/// Statements wait for each of their locks so long, until the end of the current GUC nest level.
void BePatientFor(const char* time);

/// Has the process remember what it waited for when that was too long. Call once, in a worker.
void WatchLockWaits();
/// The relation that the last too long wait was for; InvalidOid: something else.
Oid AwaitedRelation();

/// The table of an index; any other relation itself. InvalidOid: it has gone.
Oid TableOf(Oid relation);
/// "schema.table", for an index that of its table; nullptr: it has gone. palloc'd.
char* NameOfLocked(Oid relation);

/// SHARE ROW EXCLUSIVE on the source and everything below it: waits for running writers at most
/// polyglot_sync.lock_timeout in all, then ERROR 55P03 with a hint. Returns the OIDs of the tree.
List* LockTree(Oid source);

}  // namespace polyglot::pg
