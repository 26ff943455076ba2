#pragma once
// Which servers need a worker in this database, from all of our tables. Needs a transaction and an
// SPI connection; may ereport. Plain data: the probe has no C++ frames.

#include "pg/prelude.h"

namespace polyglot::pg {

struct WantedWorker {
  Oid server;
  int32 queue;
};
/// Servers that have syncs, or indexes left to drop for one that was dropped. At most `most`.
int LoadWantedWorkers(WantedWorker* wanted, int most);

struct SyncNumbers {
  int32* values;
  int count;
};
/// Of all syncs and generations, allocated in `memory`.
SyncNumbers LoadSyncNumbers(MemoryContext memory);

}  // namespace polyglot::pg
