#pragma once
// Is there room for more changes?

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Have all keys and the queue been worked off as far as it was read?
bool AnyKeysWaiting(const WorkerContext& context);
/// So many keys wait that the queue is not read on.
bool PipelineFull(const WorkerContext& context);

}  // namespace polyglot::pg
