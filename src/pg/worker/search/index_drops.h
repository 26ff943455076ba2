#pragma once
// Indexes that are to go: of syncs dropped with drop_index => true, and of generations that nobody
// needs. Each is looked at before it is deleted, and once more when no request can be on its way
// any more: a versioned delete to a missing index creates it.

#include <functional>

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Reads polyglot.dropped_index of this server. `channel_of` gives the connection with the
/// credentials of a sync's owner. Needs a transaction.
void LoadIndexDrops(WorkerContext* context, const std::function<Channel*(Oid owner)>& channel_of);
/// The index of this generation is to go: at once if nobody has searched it, otherwise when the
/// searches that still use it have ended. Needs a transaction.
void DropIndexOf(WorkerContext* context, const SyncRuntime& sync, bool building);
/// Asks for the deletions that are due. C++ phase.
void AdvanceIndexDrops(WorkerContext* context, core::Time now);
/// Deletes the rows of those that are done, in a transaction of its own.
void StoreIndexDrops(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
