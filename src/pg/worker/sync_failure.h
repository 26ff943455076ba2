#pragma once
// A sync that cannot go on, for a moment or until somebody acts.

#include "pg/guard.h"
#include "pg/worker/worker_context.h"

namespace polyglot::pg {

/// The rows of the sync are not read for a moment: what they come to cannot be stored.
void Postpone(SyncRuntime* sync);

/// The sync cannot go on until somebody acts: stored, shown in status, its changes are parked.
/// Texts in UTF-8.
void FailSync(WorkerContext* context, SyncRuntime* sync, const char* reason, const char* hint);
void FailSync(WorkerContext* context, SyncRuntime* sync, const PgError& error);

}  // namespace polyglot::pg
