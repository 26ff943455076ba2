#pragma once
// What the worker's C++ phases have found out and must be durable: failures, the index in use, lost
// indexes, the progress and the end of backfills and of the resync path.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// PostgreSQL phases, only where there is something to store.
void StoreFindings(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
