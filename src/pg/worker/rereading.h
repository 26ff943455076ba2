#pragma once
// From keys that wait to operations: reads the rows again and hands the documents to delivery.

#include "pg/worker/worker_context.h"

namespace polyglot::pg {

/// Reads rows of waiting keys again and submits the operations, while delivery has room. Returns
/// true when something was done.
bool ReadRowsAgain(WorkerContext* context);

/// Submits an operation of this sync; counts its tickets.
void SubmitOperation(WorkerContext* context, SyncRuntime* sync, core::Operation&& operation);

}  // namespace polyglot::pg
