#pragma once
// The end of a rebuild: the new generation becomes the live one.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Locks the rows of both in polyglot.sync_state without waiting; `building` may be nullptr. false:
/// somebody's open transaction (drop_sync) has one. Needs a transaction.
bool LockBoth(SyncRuntime* live, SyncRuntime* building);
/// In one transaction of its own the building one takes the live one's place; where somebody has a
/// row that this needs, both go on, and it is tried again later. `live` is gone afterwards.
void HandOver(WorkerContext* context, SyncRuntime* live, SyncRuntime* building);

}  // namespace polyglot::pg
