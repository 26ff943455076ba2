#pragma once
// Generations. A rebuild is a hidden second sync of the same table: its own runtime, row of
// polyglot.sync_state (`builds` names the sync), index, position, backfill, parked keys. The
// queue's events go to it as to any sync, so whatever makes a sync survive a crash makes a rebuild
// survive it, and what goes wrong with it is not the live generation's trouble: it is dropped and
// begun again with the next number, a little later. It owns no alias.
//
//   fill, until a full scan begun after the backfill's end is settled  →  settings as they should
//   be →  hold the live generation: what it has delivered must be in the new index too  →  refresh
//   → count documents  →  one atomic `_aliases` call  →  hold both until nothing is in flight  →
//   one transaction makes the new generation the live one, the old index is left to index_drops.h.
//
// A crash after the `_aliases` call is recognised by looking at the alias: the hand-over follows.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Takes what users and triggers ask for, as far as a snapshot taken now sees it. Needs a
/// transaction; runtimes of generations that were being built may go.
void TakeRebuildRequests(WorkerContext* context);
/// Stores what WantRebuild was told. Needs a transaction.
void StartWantedRebuilds(WorkerContext* context);

/// Moves every rebuild on as far as it can go without waiting. C++ phase.
void AdvanceRebuilds(WorkerContext* context, core::Time now);
/// Begins failed ones again, hands finished ones over. Transactions of its own.
void StoreRebuilds(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
