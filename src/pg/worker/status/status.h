#pragma once
// What views show of a worker and its syncs: copied into shared memory, one log line per change of
// state.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Copies what status shows into shared memory.
void PublishStatus(WorkerContext* context);
/// The worker does nothing but wait, and is there: what for, in `waits_for`.
void PublishWaiting(WorkerContext* context);

}  // namespace polyglot::pg
