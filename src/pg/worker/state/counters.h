#pragma once
// The counters of polyglot.status: in shared memory, saved with the position.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// At start: shared memory starts empty after a crash or restart of PostgreSQL.
void RestoreCounters(WorkerContext* context);
/// They begin at 0 again if they have not since this time (reset_counters; 0: never).
void ResetCounters(SyncRuntime* sync, std::int64_t since);
/// As they are to be saved.
core::SavedCounters ReadCounters(const SyncSlot& slot);

}  // namespace polyglot::pg
