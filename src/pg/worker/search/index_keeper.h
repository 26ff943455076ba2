#pragma once
// Sees to it that each sync writes into the index that it owns: creates index and alias before the
// first document, compares the index's UUID before the first write after a reconnect, every 10 s,
// and after a delete that found nothing (a versioned delete to a missing index creates it:
// require_alias does not guard deletes). All of it C++ phase; what must be stored is marked in
// IndexState.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Starts whatever request is due for each sync.
void KeepIndexes(WorkerContext* context, core::Time now);
/// No write to any index of this channel until its UUID was compared again.
void CheckBeforeNextWrite(WorkerContext* context, Channel* channel);
/// The first backfill has ended: let the alias point to the index.
void SwitchAlias(WorkerContext* context, SyncRuntime* sync, core::Time now);
/// Earliest time at which KeepIndexes has something to do.
core::Time NextIndexDeadline(const WorkerContext& context, core::Time now);

}  // namespace polyglot::pg
