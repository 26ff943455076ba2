#include "pg/sql/live_status.h"

#include "pg/encoding.h"
#include "pg/shared/sync_slots.h"
#include "pg/shared/worker_slots.h"
#include "pg/sql/visibility.h"

namespace polyglot::pg {

namespace {

// A worker looks at its whole queue once a second; beyond this it may have missed something.
constexpr int64 kScansUs = 3 * USECS_PER_SEC;

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

TimestampTz ReadTime(pg_atomic_uint64* time) {
  return static_cast<TimestampTz>(pg_atomic_read_u64(time));
}

void CopyTexts(const SyncSlot* slot, LiveStatus* live) {
  live->last_error_at = slot->last_error_at;
  live->denied = slot->denied;
  live->no_index = slot->no_index;
  strlcpy(live->last_error, slot->last_error, sizeof live->last_error);
  strlcpy(live->notice, slot->notice, sizeof live->notice);
  strlcpy(live->notice_hint, slot->notice_hint, sizeof live->notice_hint);
  strlcpy(live->trouble, slot->trouble, sizeof live->trouble);
}

void CopySlot(const SyncRow* sync, LiveStatus* live) {
  SyncSlot* slot = FindSyncSlot(MyDatabaseId, sync->id);
  live->has_slot = slot != nullptr;
  if (!slot) return;
  CopyCounters(sync, slot, live);
  CopyTexts(slot, live);
  live->state = static_cast<SyncState>(pg_atomic_read_u64(&slot->state));
  live->pending = pg_atomic_read_u64(&slot->pending);
  live->parked = pg_atomic_read_u64(&slot->parked);
  live->parked_bytes = pg_atomic_read_u64(&slot->parked_bytes);
  live->backfill_rows = pg_atomic_read_u64(&slot->backfill_rows);
  live->backfill_total = pg_atomic_read_u64(&slot->backfill_total);
  live->rate_millis = pg_atomic_read_u64(&slot->rate_millis);
  live->oldest_event = ReadTime(&slot->oldest_event);
  live->last_success = ReadTime(&slot->last_success);
  live->state_since = ReadTime(&slot->state_since);
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

TimestampTz Earlier(TimestampTz one, TimestampTz other) {
  if (one == 0 || other == 0) return one == 0 ? other : one;
  return Min(one, other);
}

bool InFirstBackfill(const SyncRow* sync) { return strcmp(sync->phase, "backfill") == 0; }

bool Scans(const LiveStatus& live) {
  return live.running && live.has_slot && GetCurrentTimestamp() - live.scanned_at < kScansUs;
}

bool Copies(const LiveStatus& live) {
  const bool copying =
      live.state == SyncState::kBackfilling || live.state == SyncState::kRebuilding;
  return live.running && live.has_slot && copying &&
         GetCurrentTimestamp() - live.published_at < kScansUs;
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
  if (worker) {
    live.published_at = ReadTime(&worker->published_at);
    live.scanned_at = ReadTime(&worker->scanned_at);
  }
  CopySlot(sync, &live);
  LWLockRelease(shared->lock);
  return live;
}

const char* StateOf(const SyncRow* sync, const LiveStatus& live) {
  if (RecoveryInProgress()) return "standby";
  if (sync->failed_reason || !sync->has_state) return "failed";
  if (sync->paused) return "paused";
  if (!live.running) return "not running";
  // One that was resumed a moment ago, of which its worker has not heard yet, waits for that only.
  const bool resumed = live.state == SyncState::kPaused || live.state == SyncState::kFailed;
  return live.has_slot && !resumed ? StateName(live.state) : "starting";
}

const char* ErrorOf(const SyncRow* sync, const LiveStatus& live) {
  if (!sync->has_state)
    return "restored from a dump of another database; hint: call polyglot.adopt_sync, or drop the "
           "sync";
  if (!sync->failed_reason) {
    // What is so now is later than what was.
    for (const char* text : {live.notice, live.trouble, live.last_error})
      if (*text != '\0') return ReadableInServer(text);
    return sync->last_error;
  }
  const char* reason = sync->failed_reason;
  if (sync->failed_detail && OwnsSource(sync))
    reason = psprintf("%s: %s", reason, sync->failed_detail);
  return sync->failed_hint ? psprintf("%s; hint: %s", reason, sync->failed_hint) : reason;
}

// A worker that reads its queue knows what it has parked or settled a moment ago; the queue's rows
// stay for a while.
uint64 Pending(const LiveStatus& live) {
  if (Scans(live)) return live.pending;
  const uint64 in_worker = live.pending > live.parked ? live.pending - live.parked : 0;
  return Max(in_worker, live.queued) + live.parked;
}

// What a worker that reads its queue says is exact; what one said before it stopped is still true,
// but not all there is.
TimestampTz WaitingSince(const SyncRow* sync, const LiveStatus& live) {
  if (!sync->has_state || RecoveryInProgress()) return DT_NOBEGIN;
  TimestampTz since = live.oldest_event;
  if (!Scans(live)) {
    since = Earlier(since, live.queued_since);
    if (live.looked && !live.queue_seen)
      since = Earlier(since, live.scanned_at ? live.scanned_at : sync->created_at);
  }
  if (InFirstBackfill(sync)) {
    if (!Copies(live)) return Earlier(since, sync->created_at);
    if (since == 0) return DT_NOBEGIN;
  }
  return since;
}

// Copying is over when the first 'backfill' is; a resync goes through the same counters.
Backfill BackfillOf(const SyncRow* sync, const LiveStatus& live) {
  const bool rebuilding = live.running && live.state == SyncState::kRebuilding;
  const bool copying = rebuilding || strcmp(sync->phase, "stream") != 0;
  Backfill backfill{static_cast<int64>(live.backfill_rows), static_cast<int64>(live.backfill_total),
                    0, -1};
  if (!rebuilding) {
    backfill.rows = Max(backfill.rows, sync->backfill_rows);
    backfill.total = Max(backfill.total, sync->backfill_total);
  }
  const double rate = static_cast<double>(live.rate_millis) / 1000;
  const int64 left = Max(backfill.total - backfill.rows, 0);
  backfill.total = Max(backfill.total, backfill.rows);
  if (!copying || !live.running || rate <= 0) return backfill;
  backfill.rate = rate;
  backfill.eta = static_cast<int64>(static_cast<double>(left) / rate * 1e6);
  return backfill;
}

}  // namespace polyglot::pg
