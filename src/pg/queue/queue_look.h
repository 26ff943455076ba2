#pragma once
// What waits in a queue, told without its worker: none may run, or it may stand still. Looks at a
// bounded part of the tables, however large they are, and waits for no lock.

#include <string>
#include <vector>

#include "core/queue/snapshot.h"
#include "pg/catalog/sync_row.h"

namespace polyglot::pg {

/// Changes of one sync that are committed and not known to be settled.
struct QueuedChanges {
  const SyncRow* sync;
  core::Snapshot acknowledged;  // of shared memory, else of the newest control row that was found
  TimestampTz oldest = 0;       // capture time; 0: none
  uint64 count = 0;             // exact in a small queue, else an estimate
};

struct QueueLook {
  std::vector<QueuedChanges> syncs;
  uint64 bytes = 0;  // of both tables
  bool seen = true;  // false: somebody has a table, so that nothing can be told
};

/// `syncs`: all of one queue. C++ inside Enter(), with an active snapshot; may throw PgError.
QueueLook LookAtQueue(int32 queue, const std::vector<const SyncRow*>& syncs);

}  // namespace polyglot::pg
