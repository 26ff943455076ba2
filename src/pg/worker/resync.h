#pragma once
// The resync path: the index is brought back to the table after something that no key event tells
// (TRUNCATE, ATTACH/DETACH, a new index, other columns …).
//
//   V is drawn and stored  →  operations older than V get their outcome, those that wait are read
//   again →  refresh, walk the index by point in time, delete every hit at V (newer documents
//   refuse) →  backfill from the start, at versions above V, while live changes go on.
//
// A walk counts for good only if it began `request_timeout` after this worker started: until then a
// request of a worker that died may still land.

#include "pg/worker/worker_context.h"

namespace polyglot::pg {

/// Draws V, stores it and starts the path (over). Needs a transaction: it is part of what settles
/// the event that asked for it.
void RequestResync(SyncRuntime* sync, const char* reason);
/// The path is to begin when the index is ready; V is drawn then. Until then no event of this sync
/// counts. Phase 'resync' without a version says the same in the table.
void WantResync(SyncRuntime* sync, const std::string& reason);
/// The same, now or as soon as nobody's open transaction has the sync's row any more. The sync's
/// position waits for that.
void RequestResyncSoon(WorkerContext* context, SyncRuntime* sync, const char* reason);
/// The resync that is wanted, under the lock of the sync's row.
void StoreWantedResync(WorkerContext* context, SyncRuntime* sync);
bool ResyncDue(const SyncRuntime& sync);
/// Operations that wait and are older than `version` are read again at newer versions, if an event
/// or a parked key waits for them. Those of the backfill and of an earlier walk are begun anew
/// anyway.
void ReadOlderAgain(WorkerContext* context, SyncRuntime* sync, std::uint64_t version);
/// The same for deletes that found nothing and may have gone into an index that was lost.
void ReadUnconfirmedAgain(WorkerContext* context, SyncRuntime* sync);
/// An operation that a channel gives back without an outcome: its row is read again, because what
/// came after it may have been delivered meanwhile, and the server forgets the versions of deletes.
void TakeBack(WorkerContext* context, SyncRuntime* sync, core::Operation operation);
/// Goes on with a resync that was stored before this worker started.
void ContinueResync(SyncRuntime* sync, std::uint64_t version);
/// Moves every resync on as far as it can go without waiting. C++ phase.
void AdvanceResyncs(WorkerContext* context, core::Time now);
}  // namespace polyglot::pg
