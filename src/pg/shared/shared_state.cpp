#include "pg/shared/shared_state.h"

#include <initializer_list>

#include "core/crash_series.h"
#include "pg/clock.h"
#include "pg/settings.h"

namespace polyglot::pg {
namespace {

SharedState* shared = nullptr;
// Of the postmaster, inherited by every process: shared memory is made anew after a crash.
int startups = 0;
core::CrashSeries crashes;
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
    if (startups++ > 0) crashes.Note(MonotonicNow());
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

SharedState* Shared() { return shared; }

int CrashRestarts() { return startups > 1 ? startups - 1 : 0; }

int RecentCrashes() { return crashes.Count(MonotonicNow()); }

void RequestSharedState() {
  previous_request = shmem_request_hook;
  shmem_request_hook = RequestHook;
  previous_startup = shmem_startup_hook;
  shmem_startup_hook = StartupHook;
}

}  // namespace polyglot::pg
