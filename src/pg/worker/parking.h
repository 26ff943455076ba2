#pragma once
// Parked keys: changes of a sync that cannot write now (paused, blocked, failed, or its server is
// away) wait in a table, one row for each (document id, routing), so that the queue moves on.

#include "pg/worker/worker_context.h"

namespace polyglot::pg {

/// Notes which syncs have a server that has been away for longer than a hiccup.
void NoteAway(WorkerContext* context, core::Time now);
/// The index takes no writes now: a few keys are tried each 30 s (run_sync: at once), and the sync
/// stays blocked until one of them has an outcome.
void Block(SyncRuntime* sync, core::Time now);
void Unblock(SyncRuntime* sync);
/// Lets blocked syncs try again when it is time.
void ProbeBlocked(WorkerContext* context, core::Time now);
/// Takes out what waits in memory, as keys; those that have a scan's ticket are still counted.
std::vector<core::PendingKey> TakeWaiting(WorkerContext* context, SyncRuntime* sync);
/// Forgets all that waits in memory; it settles without an outcome.
void ForgetWaiting(WorkerContext* context, SyncRuntime* sync);
/// Parks what waits in memory for each sync that cannot write: keys, and operations not in flight.
void ParkWaiting(WorkerContext* context);
/// The same for all syncs, whether they can write or not.
void ParkEverything(WorkerContext* context);
/// Reads parked keys of syncs that can write again, a page at a time.
bool DrainParked(WorkerContext* context);

}  // namespace polyglot::pg
