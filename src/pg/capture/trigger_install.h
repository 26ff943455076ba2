#pragma once
// The triggers that capture changes: on every relation of a source's tree a row trigger
// polyglot_capture_<source> (partitions have clones of it) and a TRUNCATE trigger
// polyglot_truncate_<source>, both ENABLE ALWAYS. Needs a transaction; may ereport. Nothing here
// fires an event trigger.

#include "pg/prelude.h"

namespace polyglot::pg {

/// The same locks without waiting; false: one is not to be had.
bool TryLockTreeForTriggers(Oid source);
/// Creates what is missing and repairs what was changed. The caller holds LockTree's locks.
/// true: something had to be done.
bool InstallCaptureTriggers(Oid source);

/// The same for those of these relations that need it and can be locked without waiting. After
/// DDL, where the relations concerned are locked already. true: something was done.
bool RepairCaptureTriggers(Oid source, List* tree);

/// Is there a row trigger of this source, in the source's tree or outside of it?
bool HasCaptureTrigger(Oid relation, Oid source);

/// A trigger that calls our function under a name that says nothing records nothing;
/// one that was renamed to that of another source does nothing. Removes it, if it is one. A
/// restored one, whose number is that of the dumped table, stays until its sync is adopted. Returns
/// its table; InvalidOid: it has gone, or is a new one of somebody else, which changes nothing.
Oid RemoveMisnamedTrigger(Oid trigger, bool renamed);
/// ERROR 42939 when it is a trigger of somebody else under a name like those of ours: what becomes
/// of triggers with such names is taken for news of their source.
void RefuseReservedName(Oid trigger);

/// Every relation with a capture trigger, and the source that it is for: two lists of one length.
void ListCaptured(List** sources, List** relations);

/// Are all triggers there, ours and enabled? Takes no locks. For the worker's regular check: when
/// false it calls TryLockTreeForTriggers and InstallCaptureTriggers, and starts a resync.
bool CaptureTriggersIntact(Oid source);

/// After DETACH: removes the TRUNCATE triggers of this source from relations outside its tree.
void RemoveDetachedTriggers(Oid source);

/// Removes the triggers of a relation that no sync names any more, if that needs no waiting.
/// false: they are still there (somebody uses the table); try again later.
bool DropUnusedCaptureTriggers(Oid source);

/// Every source that our triggers name but no sync does: for which DropUnusedCaptureTriggers should
/// be called. Reads all of pg_trigger.
List* UnusedCaptureSources();

/// The source that a trigger of ours is named after; InvalidOid: not one of our names. *truncate:
/// the name is that of a TRUNCATE trigger.
Oid SourceOfTriggerName(const char* name, bool* truncate = nullptr);

}  // namespace polyglot::pg
