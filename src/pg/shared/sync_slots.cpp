#include "pg/shared/sync_slots.h"

#include "core/text.h"
#include "pg/shared/shared_state.h"

namespace polyglot::pg {
namespace {

bool HasWorker(const SyncSlot& slot) {
  for (const WorkerSlot& worker : Shared()->workers)
    if (worker.pid != 0 && worker.pid == slot.worker) return true;
  return false;
}

}  // namespace

SyncSlot* FindSyncSlot(Oid database, int32 sync) {
  if (Shared() == nullptr) return nullptr;
  for (int i = 0; i < Shared()->sync_slots; i++) {
    SyncSlot* slot = &Shared()->syncs[i];
    if (slot->database == database && slot->sync == sync) return slot;
  }
  return nullptr;
}

SyncSlot* AcquireSyncSlot(Oid database, int32 sync, TimestampTz created_at) {
  if (Shared() == nullptr) return nullptr;
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  SyncSlot* slot = FindSyncSlot(database, sync);
  if (slot != nullptr && slot->created_at != created_at) {
    slot->database = InvalidOid;
    slot = nullptr;
  }
  for (int i = 0; slot == nullptr && i < Shared()->sync_slots; i++) {
    SyncSlot* candidate = &Shared()->syncs[i];
    if (OidIsValid(candidate->database)) continue;
    slot = candidate;
    InitSyncSlot(slot);
    slot->since = GetCurrentTimestamp();
    slot->last_error_at = 0;
    slot->last_error[0] = slot->notice[0] = slot->notice_hint[0] = slot->trouble[0] = '\0';
    slot->denied = slot->no_index = false;
    slot->acked_xmin = slot->acked_xmax = 0;
    slot->acked_count = 0;
    slot->sync = sync;
    slot->created_at = created_at;
    pg_write_barrier();
    slot->database = database;
  }
  if (slot != nullptr) slot->worker = MyProcPid;
  LWLockRelease(Shared()->lock);
  return slot;
}

void ReleaseSyncSlot(Oid database, int32 sync) {
  if (Shared() == nullptr) return;
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  if (SyncSlot* slot = FindSyncSlot(database, sync)) slot->database = InvalidOid;
  LWLockRelease(Shared()->lock);
}

void ReleaseSyncSlotsExcept(Oid database, const int32* syncs, int count) {
  if (Shared() == nullptr) return;
  bool released = false;
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  for (int i = 0; i < Shared()->sync_slots; i++) {
    SyncSlot* slot = &Shared()->syncs[i];
    if (slot->database != database) continue;
    bool kept = HasWorker(*slot);
    for (int j = 0; j < count && !kept; j++) kept = syncs[j] == slot->sync;
    if (kept) continue;
    slot->database = InvalidOid;
    released = true;
  }
  LWLockRelease(Shared()->lock);
  if (!released) return;
  // A sync may be waiting for one.
  pg_atomic_fetch_add_u64(&Shared()->config_generation, 1);
  for (WorkerSlot& worker : Shared()->workers) SetProcessLatch(worker.process_number);
}

void SetSyncError(SyncSlot* slot, const char* text) {
  if (slot == nullptr) return;
  const std::string shown = core::SanitiseText(text, sizeof slot->last_error - 1);
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  strlcpy(slot->last_error, shown.c_str(), sizeof slot->last_error);
  slot->last_error_at = GetCurrentTimestamp();
  LWLockRelease(Shared()->lock);
}

void SetSyncNotice(SyncSlot* slot, const char* text, const char* hint) {
  if (slot == nullptr) return;
  const std::string shown = core::SanitiseText(text, sizeof slot->notice - 1);
  const std::string advice = core::SanitiseText(hint, sizeof slot->notice_hint - 1);
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  strlcpy(slot->notice, shown.c_str(), sizeof slot->notice);
  strlcpy(slot->notice_hint, advice.c_str(), sizeof slot->notice_hint);
  if (text[0] != '\0') slot->last_error_at = GetCurrentTimestamp();
  LWLockRelease(Shared()->lock);
}

void SetSyncTrouble(SyncSlot* slot, const char* text, bool denied, bool no_index) {
  if (slot == nullptr) return;
  const std::string shown = core::SanitiseText(text, sizeof slot->trouble - 1);
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  strlcpy(slot->trouble, shown.c_str(), sizeof slot->trouble);
  slot->denied = denied;
  slot->no_index = no_index;
  LWLockRelease(Shared()->lock);
}

}  // namespace polyglot::pg
