#pragma once
// Somebody may lock our own tables: LOCK TABLE, VACUUM FULL, REINDEX. A worker that waited for such
// a lock would answer nobody, and its leases would end. So each transaction (InTransaction) begins
// by locking what it may need, without waiting; where that is not to be had, it ends and is begun
// again 100 ms later. Meanwhile leases are renewed, and after some seconds status says who it is.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// The worker whose leases are kept and whose syncs tell of the wait.
void WatchOwnTables(WorkerContext* context);
/// They may be others now.
void ForgetOwnTables();

}  // namespace polyglot::pg
