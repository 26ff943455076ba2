#pragma once
// Slots of workers in shared memory; waking them and the launcher.

#include "pg/prelude.h"
#include "pg/shared/shared_state.h"

namespace polyglot::pg {

/// The slot of a worker, or nullptr. Takes no lock; good for flags and latches only.
WorkerSlot* FindWorkerByQueue(Oid database, int32 queue);
WorkerSlot* FindWorkerByServer(Oid database, Oid server);

/// Wakes the worker of a queue if it waits; safe in a commit callback.
void WakeWorker(Oid database, int32 queue);
/// Wakes every worker of this database, waiting or not.
void WakeWorkersOf(Oid database);
void WakeLauncher();
/// Launcher: look at this database again.
void MarkDatabaseDirty(Oid database);

}  // namespace polyglot::pg
