#pragma once
// verify_sync, repair_sync and reconciling: the worker compares a whole index with its table, in
// small steps between which live changes go on.
//
//   table → index: pages of rows in key order, their documents by `_mget`;
//   index → table: a walk by point in time over all ids; those that no row has made are looked up.
//
// What does not agree is a candidate (a row of polyglot.difference without a problem). Candidates
// are judged a few at a time: rows are read again, a full scan of the queue begun after that is
// settled, documents are read again. If in between an operation on the id was made, nothing is
// known and the candidate waits for another try; otherwise index and row are as far as each other,
// and what still differs is a difference. Repairing parks its key: what delivers parked keys does
// the rest.
//
// At most one verification runs at a time in a worker. One that is interrupted by a resync, another
// definition or another index begins anew; so does one whose worker has ended.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// The schedule of a sync that was loaded or changed. Needs a transaction.
void ConfigureVerification(SyncRuntime* sync, const char* options, std::int64_t created_at);
/// Moves verifications on as far as they can go without waiting; opens transactions of its own.
/// true when there is more to do at once.
bool AdvanceVerifications(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
