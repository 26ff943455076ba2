#pragma once
// What a sync has under way is taken back: as keys that are read again, or forgotten.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Operations that wait and are older than `version` are read again at newer versions, if an event
/// or a parked key waits for them. Those of the backfill and of an earlier walk are begun anew
/// anyway.
void ReadOlderAgain(WorkerContext* context, SyncRuntime* sync, std::uint64_t version);
/// The same for deletes that found nothing and may have gone into an index that was lost.
void ReadUnconfirmedAgain(WorkerContext* context, SyncRuntime* sync);
/// An operation that a channel gives back without an outcome: its row is read again, because what
/// came after it may have been delivered meanwhile, and the server forgets the versions of deletes.
void TakeBack(WorkerContext* context, SyncRuntime* sync, core::Operation operation);

/// Takes out what waits in memory, as keys; those that have a scan's ticket are still counted.
std::vector<core::PendingKey> TakeWaiting(WorkerContext* context, SyncRuntime* sync);
/// Forgets all that waits in memory; it settles without an outcome.
void ForgetWaiting(WorkerContext* context, SyncRuntime* sync);

/// The walk over its parked keys, if there is one, ends; the next one begins at the first.
void EndProbes(SyncRuntime* sync);

}  // namespace polyglot::pg
