#pragma once
// What a session asks of the worker through shared memory, beyond a wait: refresh_index,
// drain and run_sync.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Asks the server for the refreshes that sessions wait for. C++ phase.
void ServeRefreshes(WorkerContext* context, core::Time now);

/// drain: what is settled is to be on disk. Opens a transaction of its own.
void ServeSaves(WorkerContext* context, core::Time now);

/// run_sync: whoever asks does not want to wait for a back-off. C++ phase.
void ServeRunNow(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
