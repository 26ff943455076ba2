#pragma once
// The resumable copy of all existing rows: keyset pages in short snapshots, stamped like any
// re-read. Progress is the key of the last row up to which every document was acknowledged.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Reads one page of each running backfill, if delivery has room and the sync's rate allows it.
/// Returns true when something was read.
bool ReadBackfillPages(WorkerContext* context);
/// When a backfill that is held by its rate alone may read on.
core::Time NextBackfillPage(const WorkerContext& context, core::Time now);
/// Moves the acknowledged key on; true when a backfill has ended and is to be stored.
bool AcknowledgePages(WorkerContext* context, SyncRuntime* sync, core::Time now);

}  // namespace polyglot::pg
