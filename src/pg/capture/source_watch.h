#pragma once
// What the event triggers know of the sources of syncs: which of them a relation belongs to, and
// what has become of their syncs.

#include "pg/catalog/sync_row.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// The sources of syncs that run in this database which this relation is, is below or above of, or
/// has been below of: it still has their triggers then. Each once.
List* SourcesConcerned(Oid relation);

/// Why a sync cannot go on with its source as it is now (key, columns, kind of table), with *hint;
/// nullptr: it can.
char* SyncProblem(const SyncRow* sync, char** hint);
/// Marks every sync of the source as failed that has such a problem and has not failed yet.
void FailBrokenSyncs(Oid source);

/// A function of this name has gone, or has another one: the same for all syncs whose filter or
/// document may call it.
void FunctionGone(const char* name);

/// Repairs the triggers; everything of the source is compared again when they had to be repaired or
/// when `resync` says so.
void ReviewSource(Oid source, bool resync);

}  // namespace polyglot::pg
