#include "pg/queue/acknowledged.h"

#include "pg/shared/shared_state.h"
#include "pg/shared/sync_slots.h"

namespace polyglot::pg {

core::Snapshot AcknowledgedOf(const SyncRow& row) {
  core::Snapshot snapshot;
  SyncSlot* slot = FindSyncSlot(MyDatabaseId, row.id);
  if (slot == nullptr) return snapshot;
  uint64 running[kMaxRunning];
  LWLockAcquire(Shared()->lock, LW_SHARED);
  snapshot.xmin = slot->acked_xmin;
  snapshot.xmax = slot->acked_xmax;
  const int count = slot->acked_count;
  memcpy(running, slot->acked_running, sizeof running);
  LWLockRelease(Shared()->lock);
  snapshot.running.assign(running, running + count);
  return snapshot;
}

}  // namespace polyglot::pg
