#pragma once
// From the queue to operations: reads events, fans them out to syncs, reads the rows again and
// hands the documents to delivery. Everything here is a PostgreSQL phase followed by plain C++.

#include "pg/worker/sync_failure.h"
#include "pg/worker/worker_context.h"

namespace polyglot::pg {

/// One step of a pass over the queue, in its own transaction. Keys wait in SyncRuntime::keys, or
/// are parked. Returns the number of records read; −1: nothing was read, because definitions have
/// changed and must be loaded first. `full`: the pass, when begun now, is a full scan.
std::int64_t ReadQueue(WorkerContext* context, bool full);

/// May events that this transaction's snapshot sees belong to a sync that is not loaded yet? The
/// number rises while its create_sync still holds the locks that its first event waits for.
bool DefinitionsChanged(const WorkerContext& context);
/// Is the queue not read on for now?
bool HeldUp(const WorkerContext& context);

/// Takes in the rows of a queue that were found otherwise (rotation); same transaction.
void TakeQueueRows(WorkerContext* context, const QueueRows& rows);

/// Reads rows of waiting keys again and submits the operations, while delivery has room. Returns
/// true when something was done.
bool ReadRowsAgain(WorkerContext* context);

/// Have all keys and the queue been worked off as far as it was read?
bool AnyKeysWaiting(const WorkerContext& context);
/// So many keys wait that the queue is not read on.
bool PipelineFull(const WorkerContext& context);

/// Submits an operation of this sync; counts its tickets.
void SubmitOperation(WorkerContext* context, SyncRuntime* sync, core::Operation operation);

}  // namespace polyglot::pg
