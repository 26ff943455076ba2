#pragma once
// From the queue to keys: reads events and fans them out to the syncs of their tables.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// One step of a pass over the queue, in its own transaction. Keys wait in SyncRuntime::keys, or
/// are parked. Returns the number of records read; −1: nothing was read, because definitions have
/// changed and must be loaded first. `full`: the pass, when begun now, is a full scan.
std::int64_t ReadQueue(WorkerContext* context, bool full);

/// May events that this transaction's snapshot sees belong to a sync that is not loaded yet? Then
/// the definitions are read before anything else. To be asked when that snapshot has been taken, or
/// under a lock that keeps everybody from writing the events; needs the transaction.
bool DefinitionsChanged(WorkerContext* context);
/// Is the queue not read on for now?
bool HeldUp(const WorkerContext& context);

/// Takes in the rows of a queue that were found otherwise (rotation); same transaction.
void TakeQueueRows(WorkerContext* context, const QueueRows& rows);

}  // namespace polyglot::pg
