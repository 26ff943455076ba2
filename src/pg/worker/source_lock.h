#pragma once
// The lock of a sync's table, under which rows are read. A table that is locked for longer than a
// hiccup has its changes parked, so that what waits for it leaves the pipeline to the others.

#include "pg/worker/worker_context.h"

namespace polyglot::pg {

/// Locks the table for a read, without waiting, until the end of the transaction. false: somebody
/// is at work on it, and the sync is not read before `read_at`. May ereport.
bool LockSource(SyncRuntime* sync);
/// Asks whether tables that have been locked for long are free again.
void RetryLocks(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
