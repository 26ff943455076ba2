#pragma once
// What is known of a sync now: what its worker has told shared memory, and what the queue shows
// when no worker tells anything. The state and the problem that this adds up to.

#include "pg/catalog/sync_row.h"
#include "pg/shared/shared_state.h"

namespace polyglot::pg {

/// A copy, taken under the lock.
struct LiveStatus {
  bool running;
  bool has_slot;
  pid_t pid;
  SyncState state;
  uint64 delivered, deleted, stale, retried, dead_letters, pending, parked, parked_bytes;
  uint64 backfill_rows, backfill_total, rate_millis;
  TimestampTz counters_since, oldest_event, last_success, last_error_at, state_since;
  TimestampTz published_at, scanned_at;  // by its worker; 0: never
  bool denied, no_index;
  char last_error[kErrorText], notice[kErrorText], notice_hint[kErrorText], trouble[kErrorText];

  // What the queue shows, see LookAtQueues.
  bool looked, queue_seen;
  uint64 queued, queue_bytes, max_queue_bytes;
  TimestampTz queued_since;  // capture time of the oldest; 0: none
};

/// From shared memory alone.
LiveStatus ReadLiveStatus(const SyncRow* sync);
/// The same of several, together with what their queues show; `all`: every sync of the database.
LiveStatus* ReadLiveStatuses(SyncRow** all, int count);
LiveStatus ReadLiveStatusAndQueue(const SyncRow* sync);

/// As polyglot.status names it.
const char* StateOf(const SyncRow* sync, const LiveStatus& live);
/// The last error there was; of a failed sync: what is wrong and what to do. nullptr: none.
const char* ErrorOf(const SyncRow* sync, const LiveStatus& live);
/// Since when the oldest change waits that is not in the index; 0: none does; DT_NOBEGIN: existing
/// rows are being copied, and nothing else waits.
TimestampTz WaitingSince(const SyncRow* sync, const LiveStatus& live);
/// All that is on its way: in the queue, in the worker, parked.
uint64 Pending(const LiveStatus& live);

struct Backfill {
  int64 rows, total;
  double rate;  // rows/s; 0: unknown
  int64 eta;    // microseconds; -1: unknown
};
Backfill BackfillOf(const SyncRow* sync, const LiveStatus& live);

/// What is wrong, or why the sync is not in step (core/status/sync_problem.h); palloc'd, nullptr:
/// nothing.
struct Explanation {
  const char* text;
  const char* hint;
};
Explanation ProblemOf(const SyncRow* sync, const LiveStatus& live);
Explanation NotInStep(const SyncRow* sync, const LiveStatus& live);
/// Somebody must act before anything moves.
bool WaitsInVain(const SyncRow* sync, const LiveStatus& live);
/// For how long a worker that runs has told nothing, if that is worth a word; else nullptr.
const char* SilenceOf(const SyncRow* sync, const LiveStatus& live);

/// Why no worker runs, what to do, and whether one will come without that.
struct NoWorker {
  const char* text;
  const char* hint;
  bool comes;
};
NoWorker WhyNoWorker(const SyncRow* sync);

/// Is the state of the sync that of another database, or from before pg_upgrade?
bool IsCopied(const SyncRow* sync);
/// ERROR 55000 with the hint adopt_sync for one that was restored or copied: "cannot VERB sync …".
void CheckIsOurs(const SyncRow* sync, const char* verb);

}  // namespace polyglot::pg
