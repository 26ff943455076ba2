#include "pg/sql/live_status.h"

#include "pg/encoding.h"
#include "pg/sql/visibility.h"

namespace polyglot::pg {

namespace {

// Counters from before a reset that the worker has not heard of are not shown any more.
void CopyCounters(const SyncRow* sync, SyncSlot* slot, LiveStatus* live) {
  live->counters_since = Max(slot->since, sync->counters_since);
  if (sync->counters_since > slot->since) return;
  live->delivered = pg_atomic_read_u64(&slot->counters.delivered);
  live->deleted = pg_atomic_read_u64(&slot->counters.deleted);
  live->stale = pg_atomic_read_u64(&slot->counters.stale);
  live->retried = pg_atomic_read_u64(&slot->counters.retried);
  live->dead_letters = pg_atomic_read_u64(&slot->counters.dead_letters);
}

void CopySlot(const SyncRow* sync, LiveStatus* live) {
  SyncSlot* slot = FindSyncSlot(MyDatabaseId, sync->id);
  live->has_slot = slot != nullptr;
  if (!slot) return;
  CopyCounters(sync, slot, live);
  live->state = static_cast<SyncState>(pg_atomic_read_u64(&slot->state));
  live->pending = pg_atomic_read_u64(&slot->pending);
  live->parked = pg_atomic_read_u64(&slot->parked);
  live->backfill_rows = pg_atomic_read_u64(&slot->backfill_rows);
  live->backfill_total = pg_atomic_read_u64(&slot->backfill_total);
  live->rate_millis = pg_atomic_read_u64(&slot->rate_millis);
  live->oldest_event = static_cast<TimestampTz>(pg_atomic_read_u64(&slot->oldest_event));
  live->last_success = static_cast<TimestampTz>(pg_atomic_read_u64(&slot->last_success));
  live->last_error_at = slot->last_error_at;
  live->lasting = slot->notice[0] != '\0';
  strlcpy(live->last_error, slot->notice[0] ? slot->notice : slot->last_error,
          sizeof live->last_error);
}

const char* StateName(SyncState state) {
  switch (state) {
    case SyncState::kStarting:
      return "starting";
    case SyncState::kBackfilling:
      return "backfilling";
    case SyncState::kStreaming:
      return "streaming";
    case SyncState::kPaused:
      return "paused";
    case SyncState::kBlocked:
      return "blocked";
    case SyncState::kDisconnected:
      return "disconnected";
    case SyncState::kFailed:
      return "failed";
    case SyncState::kRebuilding:
      return "rebuilding";
  }
  return "starting";
}

}  // namespace

LiveStatus ReadLiveStatus(const SyncRow* sync) {
  LiveStatus live{};
  SharedState* shared = Shared();
  if (!shared) return live;
  LWLockAcquire(shared->lock, LW_SHARED);
  WorkerSlot* worker = sync->has_state ? FindWorkerByServer(MyDatabaseId, sync->server) : nullptr;
  live.pid = worker ? worker->pid : 0;
  live.running = live.pid != 0;
  CopySlot(sync, &live);
  LWLockRelease(shared->lock);
  return live;
}

const char* StateOf(const SyncRow* sync, const LiveStatus& live) {
  if (RecoveryInProgress()) return "standby";
  if (sync->failed_reason || !sync->has_state) return "failed";
  if (sync->paused) return "paused";
  if (!live.running) return "not running";
  return live.has_slot ? StateName(live.state) : "starting";
}

const char* ErrorOf(const SyncRow* sync, const LiveStatus& live) {
  if (!sync->has_state)
    return "restored from a dump of another database; hint: call polyglot.adopt_sync, or drop the "
           "sync";
  if (!sync->failed_reason) return live.last_error[0] ? ReadableInServer(live.last_error) : nullptr;
  const char* reason = sync->failed_reason;
  if (sync->failed_detail && OwnsSource(sync))
    reason = psprintf("%s: %s", reason, sync->failed_detail);
  return sync->failed_hint ? psprintf("%s; hint: %s", reason, sync->failed_hint) : reason;
}

}  // namespace polyglot::pg
