#pragma once
// Indexes of syncs that were dropped with drop_index => true: deleted when the server can be
// reached.

#include "pg/worker/worker_context.h"

namespace polyglot::pg {

/// Reads polyglot.dropped_index of this server. Needs a transaction.
void LoadIndexDrops(WorkerContext* context, Channel* channel);
/// Asks for the deletions that are due. C++ phase.
void AdvanceIndexDrops(WorkerContext* context, core::Time now);
/// Deletes the rows of those that are done, in a transaction of its own.
void StoreIndexDrops(WorkerContext* context);

}  // namespace polyglot::pg
