#pragma once
// The lock of a sync's table, under which rows are read. A table that is locked for longer than a
// hiccup has its changes parked, so that what waits for it leaves the pipeline to the others.

#include "pg/document/row_batch.h"
#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Locks for a read, without waiting, until the end of the transaction: the table and what else is
/// known to be read. false: somebody is at work there, and the sync is not read before `read_at`.
/// May ereport.
bool LockSource(SyncRuntime* sync);
/// What has come of the read. false: it has met a lock that was not to be had, the same.
bool NoteStatus(SyncRuntime* sync, ReadStatus status);
/// What waits for it, for status.
std::string LockNotice(const SyncRuntime& sync);
/// Asks whether tables that have been locked for long are free again.
void RetryLocks(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
