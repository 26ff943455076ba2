#pragma once
// How far each sync has got: acknowledged snapshots, their control record in the queue, rotation of
// the queue's tables.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Moves the position of each sync to the newest scan that is settled, answers wait_for_sync.
void AdvancePositions(WorkerContext* context);

/// Writes the control record when it is due (5 s, 100,000 events) and something has changed.
/// `force`: now.
void SavePositions(WorkerContext* context, core::Time now, bool force);
/// Flips to the other queue table when the current one has grown, and empties the one left behind
/// when everything in it is settled. At most once a second.
void RotateQueue(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
