#pragma once
// Where the rows of a queue are written, cached in each process.

#include "pg/prelude.h"

namespace polyglot::pg {

/// Queues and their tables, cached like plans. false: there is no such queue any more.
struct QueueTarget {
  Oid tables[2];
};
bool LookupQueueTarget(int32 queue, QueueTarget* target);
/// Cached InstanceNumber() of this database.
int32 CachedInstanceNumber();
/// Called once by _PG_init.
void InitQueueTargets();

}  // namespace polyglot::pg
