#pragma once
// How far each sync has got: acknowledged snapshots, their control record in the queue, rotation of
// the queue's tables, and what status shows of it all.

#include "pg/worker/worker_context.h"

namespace polyglot::pg {

/// Reads at start: where each sync had got to (the newest control record in the queue).
void ReadPositions(WorkerContext* context);
/// Moves the position of each sync to the newest scan that is settled, answers wait_for_sync.
void AdvancePositions(WorkerContext* context);
/// Writes the control record. Needs a transaction.
void WriteControl(WorkerContext* context);
/// Writes the control record when it is due (5 s, 100,000 events) and something has changed.
/// `force`: now.
void SavePositions(WorkerContext* context, core::Time now, bool force);
/// Flips to the other queue table when the current one has grown, and empties the one left behind
/// when everything in it is settled. At most once a second.
void RotateQueue(WorkerContext* context, core::Time now);
/// Copies what status shows into shared memory.
void PublishStatus(WorkerContext* context);
/// The worker does nothing but wait, and is there: what for, in `waits_for`.
void PublishWaiting(WorkerContext* context);

}  // namespace polyglot::pg
