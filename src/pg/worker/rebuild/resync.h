#pragma once
// The resync path: the index is brought back to the table after something that no key event tells
// (TRUNCATE, ATTACH/DETACH, a new index, other columns …).
//
//   V is drawn and stored  →  operations older than V get their outcome, those that wait are read
//   again →  refresh, walk the index by point in time, delete every hit at V (newer documents
//   refuse) →  backfill from the start, at versions above V, while live changes go on.
//
// A walk counts for good only if it began `request_timeout` after this worker started: until then a
// request of a worker that died may still land.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Moves every resync on as far as it can go without waiting. C++ phase.
void AdvanceResyncs(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
