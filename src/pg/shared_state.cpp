#include "pg/shared_state.h"

#include <initializer_list>

#include "core/search/error_text.h"
#include "core/text.h"
#include "pg/settings.h"

namespace polyglot::pg {
namespace {

SharedState* shared = nullptr;
// Of the postmaster, inherited by every process: shared memory is made anew after a crash.
int startups = 0;
shmem_request_hook_type previous_request = nullptr;
shmem_startup_hook_type previous_startup = nullptr;

Size SharedSize() {
  return add_size(offsetof(SharedState, syncs),
                  mul_size(sizeof(SyncSlot), static_cast<Size>(settings.max_syncs)));
}

void RequestHook() {
  if (previous_request != nullptr) previous_request();
  RequestAddinShmemSpace(SharedSize());
  RequestNamedLWLockTranche("polyglot_sync", 1);
}

void InitSyncSlot(SyncSlot* slot) {
  slot->database = InvalidOid;
  for (pg_atomic_uint64* a : {&slot->counters.delivered,
                              &slot->counters.deleted,
                              &slot->counters.stale,
                              &slot->counters.retried,
                              &slot->counters.dead_letters,
                              &slot->state,
                              &slot->settled_request,
                              &slot->refresh_wanted,
                              &slot->refresh_done,
                              &slot->verify_wanted,
                              &slot->repair_wanted,
                              &slot->verify_done,
                              &slot->pending,
                              &slot->oldest_event,
                              &slot->parked,
                              &slot->backfill_rows,
                              &slot->backfill_total,
                              &slot->rate_millis,
                              &slot->last_success,
                              &slot->state_since,
                              &slot->parked_bytes})
    pg_atomic_init_u64(a, 0);
}

void InitWorkerSlot(WorkerSlot* slot) {
  slot->process_number = -1;
  pg_atomic_init_u32(&slot->asleep, 0);
  pg_atomic_init_u32(&slot->current_table, 0);
  pg_atomic_init_u32(&slot->run_now, 0);
  for (pg_atomic_uint64* a : {&slot->seen_request, &slot->save_wanted, &slot->save_done,
                              &slot->published_at, &slot->scanned_at})
    pg_atomic_init_u64(a, 0);
}

void StartupHook() {
  if (previous_startup != nullptr) previous_startup();
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  bool found;
  shared = static_cast<SharedState*>(ShmemInitStruct("polyglot_sync", SharedSize(), &found));
  if (!found) {
    startups++;
    memset(static_cast<void*>(shared), 0, SharedSize());
    shared->lock = &(GetNamedLWLockTranche("polyglot_sync"))->lock;
    shared->launcher_process_number = -1;
    pg_atomic_init_u64(&shared->last_position, 0);
    pg_atomic_init_u64(&shared->request, 0);
    pg_atomic_init_u64(&shared->config_generation, 1);
    pg_atomic_init_u32(&shared->changes_committing, 0);
    pg_atomic_init_u32(&shared->probe_all, 1);
    pg_atomic_init_u32(&shared->probed_database, 0);
    ConditionVariableInit(&shared->settled);
    shared->sync_slots = settings.max_syncs;
    for (WorkerSlot& slot : shared->workers) InitWorkerSlot(&slot);
    for (InspectionSlot& slot : shared->inspections) pg_atomic_init_u32(&slot.step, 0);
    for (int i = 0; i < shared->sync_slots; i++) InitSyncSlot(&shared->syncs[i]);
  }
  LWLockRelease(AddinShmemInitLock);
}

}  // namespace

SharedState* Shared() { return shared; }

int CrashRestarts() { return startups > 1 ? startups - 1 : 0; }

void RequestSharedState() {
  previous_request = shmem_request_hook;
  shmem_request_hook = RequestHook;
  previous_startup = shmem_startup_hook;
  shmem_startup_hook = StartupHook;
}

WorkerSlot* FindWorkerByQueue(Oid database, int32 queue) {
  if (shared == nullptr) return nullptr;
  static WorkerSlot* recent = nullptr;  // every writing transaction comes here twice
  if (recent != nullptr && recent->database == database && recent->queue == queue) return recent;
  for (int i = 0; i < shared->slots_taken; ++i) {
    WorkerSlot* slot = &shared->workers[i];
    if (slot->database == database && slot->queue == queue) return recent = slot;
  }
  return nullptr;
}

WorkerSlot* FindWorkerByServer(Oid database, Oid server) {
  if (shared == nullptr) return nullptr;
  for (WorkerSlot& slot : shared->workers)
    if (slot.database == database && slot.server == server) return &slot;
  return nullptr;
}

SyncSlot* FindSyncSlot(Oid database, int32 sync) {
  if (shared == nullptr) return nullptr;
  for (int i = 0; i < shared->sync_slots; i++) {
    SyncSlot* slot = &shared->syncs[i];
    if (slot->database == database && slot->sync == sync) return slot;
  }
  return nullptr;
}

SyncSlot* AcquireSyncSlot(Oid database, int32 sync, TimestampTz created_at) {
  if (shared == nullptr) return nullptr;
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  SyncSlot* slot = FindSyncSlot(database, sync);
  if (slot != nullptr && slot->created_at != created_at) {
    slot->database = InvalidOid;
    slot = nullptr;
  }
  for (int i = 0; slot == nullptr && i < shared->sync_slots; i++) {
    SyncSlot* candidate = &shared->syncs[i];
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
  LWLockRelease(shared->lock);
  return slot;
}

void ReleaseSyncSlot(Oid database, int32 sync) {
  if (shared == nullptr) return;
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  if (SyncSlot* slot = FindSyncSlot(database, sync)) slot->database = InvalidOid;
  LWLockRelease(shared->lock);
}

namespace {

bool HasWorker(const SyncSlot& slot) {
  for (const WorkerSlot& worker : shared->workers)
    if (worker.pid != 0 && worker.pid == slot.worker) return true;
  return false;
}

}  // namespace

void ReleaseSyncSlotsExcept(Oid database, const int32* syncs, int count) {
  if (shared == nullptr) return;
  bool released = false;
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  for (int i = 0; i < shared->sync_slots; i++) {
    SyncSlot* slot = &shared->syncs[i];
    if (slot->database != database) continue;
    bool kept = HasWorker(*slot);
    for (int j = 0; j < count && !kept; j++) kept = syncs[j] == slot->sync;
    if (kept) continue;
    slot->database = InvalidOid;
    released = true;
  }
  LWLockRelease(shared->lock);
  if (!released) return;
  // A sync may be waiting for one.
  pg_atomic_fetch_add_u64(&shared->config_generation, 1);
  for (WorkerSlot& worker : shared->workers) SetProcessLatch(worker.process_number);
}

void SetSyncError(SyncSlot* slot, const char* text) {
  if (slot == nullptr) return;
  const std::string shown = core::SanitiseText(text, sizeof slot->last_error - 1);
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  strlcpy(slot->last_error, shown.c_str(), sizeof slot->last_error);
  slot->last_error_at = GetCurrentTimestamp();
  LWLockRelease(shared->lock);
}

void SetSyncNotice(SyncSlot* slot, const char* text, const char* hint) {
  if (slot == nullptr) return;
  const std::string shown = core::SanitiseText(text, sizeof slot->notice - 1);
  const std::string advice = core::SanitiseText(hint, sizeof slot->notice_hint - 1);
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  strlcpy(slot->notice, shown.c_str(), sizeof slot->notice);
  strlcpy(slot->notice_hint, advice.c_str(), sizeof slot->notice_hint);
  if (text[0] != '\0') slot->last_error_at = GetCurrentTimestamp();
  LWLockRelease(shared->lock);
}

void SetSyncTrouble(SyncSlot* slot, const char* text, bool denied, bool no_index) {
  if (slot == nullptr) return;
  const std::string shown = core::SanitiseText(text, sizeof slot->trouble - 1);
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  strlcpy(slot->trouble, shown.c_str(), sizeof slot->trouble);
  slot->denied = denied;
  slot->no_index = no_index;
  LWLockRelease(shared->lock);
}

void WakeWorker(Oid database, int32 queue) {
  WorkerSlot* slot = FindWorkerByQueue(database, queue);
  if (slot == nullptr) return;
  pg_memory_barrier();
  if (pg_atomic_read_u32(&slot->asleep) == 0) return;
  if (pg_atomic_exchange_u32(&slot->asleep, 0) != 0) SetProcessLatch(slot->process_number);
}

void WakeWorkersOf(Oid database) {
  if (shared == nullptr) return;
  for (WorkerSlot& slot : shared->workers)
    if (slot.database == database) SetProcessLatch(slot.process_number);
}

void WakeLauncher() {
  if (shared != nullptr) SetProcessLatch(shared->launcher_process_number);
}

void MarkDatabaseDirty(Oid database) {
  if (shared == nullptr) return;
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  bool known = false;
  for (int i = 0; i < shared->dirty_count; i++) known |= shared->dirty_databases[i] == database;
  if (!known) {
    if (shared->dirty_count < static_cast<int>(lengthof(shared->dirty_databases)))
      shared->dirty_databases[shared->dirty_count++] = database;
    else
      pg_atomic_write_u32(&shared->probe_all, 1);
  }
  LWLockRelease(shared->lock);
}

uint64 DrawPositions(int count) {
  for (;;) {
    uint64 last = pg_atomic_read_u64(&shared->last_position);
    const uint64 flushed = GetFlushRecPtr(nullptr);
    if (last + static_cast<uint64>(count) > flushed) {
      XLogFlush(WriteEmptyLogicalMessage("polyglot_sync"));
      continue;
    }
    if (pg_atomic_compare_exchange_u64(&shared->last_position, &last, flushed)) return flushed;
  }
}

}  // namespace polyglot::pg
