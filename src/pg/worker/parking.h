#pragma once
// Parked keys: changes of a sync that cannot write now (paused, blocked, failed) wait in a table,
// one row for each (document id, routing), so that the queue moves on for the others.

#include "pg/worker/worker_context.h"

namespace polyglot::pg {

/// Parks what waits in memory for each sync that cannot write: keys, and operations not in flight.
void ParkWaiting(WorkerContext* context);
/// Reads parked keys of syncs that can write again, a page at a time.
bool DrainParked(WorkerContext* context);

}  // namespace polyglot::pg
