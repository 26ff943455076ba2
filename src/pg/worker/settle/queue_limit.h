#pragma once
// What keeps the queue small: beyond 64 MB with a full pipeline what is read goes to the parked
// table; beyond max_queue_size the worker drops the events of all syncs of its server, and each
// index is brought in step anew when the server is back. Only the worker drops events; writers
// never skip any.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Once a second: looks at the sizes and acts. PostgreSQL phase of its own.
void LimitQueue(WorkerContext* context, core::Time now);
/// The queue's tables could not be locked: names who holds them, for polyglot.status.
void NotePinned(WorkerContext* context);

}  // namespace polyglot::pg
