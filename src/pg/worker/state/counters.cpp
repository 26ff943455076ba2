#include "pg/worker/state/counters.h"

#include <algorithm>

namespace polyglot::pg {

void RestoreCounters(WorkerContext* context) {
  for (auto& [id, sync] : context->syncs) {
    const core::SavedCounters& saved = sync->position.counters;
    if (sync->slot == nullptr || saved.since == 0 || sync->slot->since <= saved.since) continue;
    if (saved.since < sync->counters_since) {  // from before a reset
      sync->slot->since = std::min(sync->slot->since, sync->counters_since);
      continue;
    }
    SyncCounters& c = sync->slot->counters;
    pg_atomic_fetch_add_u64(&c.delivered, static_cast<int64>(saved.delivered));
    pg_atomic_fetch_add_u64(&c.deleted, static_cast<int64>(saved.deleted));
    pg_atomic_fetch_add_u64(&c.stale, static_cast<int64>(saved.stale));
    pg_atomic_fetch_add_u64(&c.retried, static_cast<int64>(saved.retried));
    pg_atomic_fetch_add_u64(&c.dead_letters, static_cast<int64>(saved.dead_letters));
    sync->slot->since = saved.since;
  }
}

void ResetCounters(SyncRuntime* sync, std::int64_t since) {
  sync->counters_since = since;
  SyncSlot* slot = sync->slot;
  if (slot == nullptr || since <= slot->since) return;
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  SyncCounters& c = slot->counters;
  for (pg_atomic_uint64* counter :
       {&c.delivered, &c.deleted, &c.stale, &c.retried, &c.dead_letters})
    pg_atomic_write_u64(counter, 0);
  slot->since = since;
  LWLockRelease(Shared()->lock);
}

core::SavedCounters ReadCounters(const SyncSlot& slot) {
  core::SavedCounters c;
  auto read = [](const pg_atomic_uint64& a) {
    return pg_atomic_read_u64(const_cast<pg_atomic_uint64*>(&a));
  };
  c.delivered = read(slot.counters.delivered);
  c.deleted = read(slot.counters.deleted);
  c.stale = read(slot.counters.stale);
  c.retried = read(slot.counters.retried);
  c.dead_letters = read(slot.counters.dead_letters);
  c.since = slot.since;
  return c;
}

}  // namespace polyglot::pg
