#pragma once
// polyglot.inspect: sessions ask what the index holds of a row. The row is read, the document asked
// for, and both are compared; nothing is changed.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Takes what sessions have asked for. C++ phase; reads rows in transactions of its own.
void ServeInspections(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
