#pragma once
// What shared memory knows of a sync, and the state that it adds up to with what is stored.

#include "pg/catalog.h"
#include "pg/shared_state.h"

namespace polyglot::pg {

/// A copy, taken under the lock.
struct LiveStatus {
  bool running;
  bool has_slot;
  pid_t pid;
  SyncState state;
  uint64 delivered, deleted, stale, retried, dead_letters, pending, parked;
  uint64 backfill_rows, backfill_total, rate_millis;
  TimestampTz counters_since, oldest_event, last_success, last_error_at;
  bool lasting;  // the error is true until it goes by itself
  char last_error[kErrorText];
};

LiveStatus ReadLiveStatus(const SyncRow* sync);
/// As polyglot.status names it.
const char* StateOf(const SyncRow* sync, const LiveStatus& live);
/// Text of the last error; of a failed sync: what is wrong and what to do. nullptr: none.
const char* ErrorOf(const SyncRow* sync, const LiveStatus& live);

}  // namespace polyglot::pg
