#pragma once
// Parked keys: changes of a sync that cannot write now (paused, blocked, failed, or its server is
// away) wait in a table, one row for each (document id, routing), so that the queue moves on.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Notes which syncs have a server that has been away for longer than a hiccup.
void NoteAway(WorkerContext* context, core::Time now);

/// Lets blocked syncs try again when it is time.
void ProbeBlocked(WorkerContext* context, core::Time now);

/// Parks what waits in memory for each sync that cannot write: keys, and operations not in flight.
void ParkWaiting(WorkerContext* context);
/// The same for all syncs, whether they can write or not.
void ParkEverything(WorkerContext* context);
/// Reads parked keys of syncs that can write again, a page at a time.
bool DrainParked(WorkerContext* context);

}  // namespace polyglot::pg
