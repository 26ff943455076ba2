#pragma once
// Index and table must be compared: asked for by whoever finds out.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Index and table must be compared and brought in step, when late requests of whoever has written
/// into the index have landed. Needs a transaction.
void RequestRepair(const WorkerContext& context, SyncRuntime* sync, const char* reason);
/// Goes on with one that was stored before this worker started.
void ContinueRepair(const WorkerContext& context, SyncRuntime* sync, const char* reason,
                    std::int64_t since);

}  // namespace polyglot::pg
