#pragma once
// What is asked of the search server on the way of a new generation: rebuild.h. C++ phase.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// One step, or none if something is waited for.
void AdvanceRebuild(WorkerContext* context, SyncRuntime* live, SyncRuntime* building,
                    core::Time now);

}  // namespace polyglot::pg
