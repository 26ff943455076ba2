#pragma once
// From keys that wait to operations: reads the rows again and hands the documents to delivery.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Reads rows of waiting keys again and submits the operations, while delivery has room. Returns
/// true when something was done.
bool ReadRowsAgain(WorkerContext* context);

}  // namespace polyglot::pg
