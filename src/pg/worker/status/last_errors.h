#pragma once
// The last error of each sync is in shared memory. So that a restart of PostgreSQL does not take it
// away, it is written down too, seldom: a sync whose server is away has another one every second.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Transactions of its own, for those whose last error is not stored yet.
void StoreLastErrors(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
