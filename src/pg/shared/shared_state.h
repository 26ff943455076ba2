#pragma once
// Shared memory: what backends, launcher and workers tell each other. Fixed size, made at server
// start (needs shared_preload_libraries); holds no process-local pointer. Nothing in it is needed
// to be right after a crash: it starts empty then.

#include "pg/prelude.h"
#include "pg/settings.h"

namespace polyglot::pg {

inline constexpr int kMaxWorkers = 64;

// What a search server says of a mapping is long.
inline constexpr int kErrorText = 1024;
// Transactions running at an acknowledged snapshot that views know by name; with more of them, all
// from the lowest on count as not acknowledged.
inline constexpr int kMaxRunning = 32;

/// Counters of a sync since `since`; written by its worker only.
struct SyncCounters {
  pg_atomic_uint64 delivered, deleted, stale, retried, dead_letters;
};

enum class SyncState : int {
  kStarting,
  kBackfilling,
  kStreaming,
  kPaused,
  kBlocked,
  kDisconnected,
  kFailed,
  kRebuilding
};

struct SyncSlot {
  Oid database;  // InvalidOid: free
  int32 sync;
  TimestampTz created_at;  // of the definition: a number comes again after DROP EXTENSION
  pid_t worker;            // who took it, and writes to it as long as it runs
  SyncCounters counters;
  pg_atomic_uint64 state;  // SyncState
  pg_atomic_uint64
      settled_request;  // highest request (below) whose scan is settled, nothing parked
  pg_atomic_uint64 refresh_wanted, refresh_done;               // request numbers of index refreshes
  pg_atomic_uint64 verify_wanted, repair_wanted, verify_done;  // the same of verifications
  pg_atomic_uint64 pending;       // events read but not settled, plus keys waiting to be re-read
  pg_atomic_uint64 oldest_event;  // TimestampTz of the oldest unsettled or parked event; 0: none
  pg_atomic_uint64 parked;
  pg_atomic_uint64 backfill_rows, backfill_total;
  pg_atomic_uint64 rate_millis;   // rows/s × 1000 of the running backfill
  pg_atomic_uint64 last_success;  // TimestampTz
  pg_atomic_uint64 state_since;   // TimestampTz
  pg_atomic_uint64 parked_bytes;  // about what they take on disk
  // under SharedState::lock:
  TimestampTz since, last_error_at;
  char last_error[kErrorText];  // type and normalised reason, no row values
  char notice[kErrorText];      // what lasts; shown before last_error
  char notice_hint[kErrorText];
  char trouble[kErrorText];  // why it is blocked, disconnected, or has no index yet
  bool denied;               // the server refuses the credentials
  bool no_index;             // it is blocked because it has no index yet
  double verify_sample;      // of the verification that is wanted
  // The acknowledged snapshot: what polyglot.outbox calls processed. xmax 0: none yet.
  uint64 acked_xmin, acked_xmax;
  int32 acked_count;
  uint64 acked_running[kMaxRunning];
};

struct NodeSlot {
  char url[128];
  char state[24];
  int32 in_flight;
  int64 last_latency_us;
  char last_error[kErrorText];
  TimestampTz backoff_until;
};

/// One wanted worker: (database, server). Written by launcher and worker under `lock`; the latch
/// fields are read without it.
struct WorkerSlot {
  Oid database;  // InvalidOid: free
  Oid server;
  int32 queue;
  bool wanted;         // false: the worker is to leave, then the slot is freed
  pid_t pid;           // 0: not running
  int process_number;  // -1: not running
  TimestampTz started_at, next_start;
  TimestampTz healthy_since;  // when the worker left of its own will: no back-off
  int64 backoff_us;
  pg_atomic_uint32 asleep;         // the worker waits for its latch; who sets it takes this back
  pg_atomic_uint32 current_table;  // 0 or 1: which queue table writers use
  pg_atomic_uint32 run_now;        // run_sync: skip back-off
  pg_atomic_uint64 seen_request;
  pg_atomic_uint64 save_wanted, save_done;  // request numbers: positions are to be stored
  pg_atomic_uint64 published_at;            // TimestampTz: the slots of its syncs are of then
  pg_atomic_uint64 scanned_at;  // TimestampTz: begin of the last look at the whole queue
  char state[32];
  int node_count;
  NodeSlot nodes[kMaxNodes];
};

inline constexpr int kInspectionSlots = 8;
// A key that was captured fits into a page of the queue.
inline constexpr int kInspectedKey = 8192;
inline constexpr int kInspectionText = 256;

/// What the worker has found out. Texts are UTF-8.
struct IndexAnswer {
  int comparison;                 // core::Comparison
  bool worker_sees_row;           // as committed
  bool found, elsewhere, beyond;  // as in core/status/inspection.h
  bool moving;                    // the row has changed meanwhile: to be asked again
  uint64 version;
  TimestampTz made_at;  // of the version, at the latest; 0: not known
  bool made_exactly;    // else before made_at
  char difference[kInspectionText];
  char trouble[kInspectionText];  // why there is no comparison
};

enum class InspectionStep : uint32 { kFree, kAsked, kTaken, kAnswered };

struct InspectionSlot {
  pg_atomic_uint32 step;  // InspectionStep; read without the lock, changed under it
  // under SharedState::lock:
  uint64 number;         // of the request: an answer to an earlier one is ignored
  TimestampTz taken_at;  // whoever took it may be gone: free for others some time later
  Oid database;
  int32 sync;
  int key_length;
  char key[kInspectedKey];  // packed (core/queue/queue_record.h)
  IndexAnswer answer;
};

struct SharedState {
  LWLock* lock;
  int launcher_process_number;  // -1: none
  pid_t launcher_pid;
  TimestampTz launcher_started_at;
  pg_atomic_uint64 last_position;       // version counter
  pg_atomic_uint64 request;             // wait_for_sync, run_sync, refresh: one number each
  pg_atomic_uint64 config_generation;   // rises when a commit changed any sync
  pg_atomic_uint32 changes_committing;  // … and has not raised it yet: change_announcement.cpp
  pg_atomic_uint32 probe_all;           // launcher: probe every database
  pg_atomic_uint32 probed_database;     // the probe that reached its end last was there
  bool workers_refused;                 // kMaxWorkers was too few; under lock
  bool processes_refused;               // max_worker_processes was too low; the launcher's
  Oid dirty_databases[64];              // launcher: probe these; under lock
  int dirty_count;
  ConditionVariable settled;  // broadcast when any settled_request/refresh_done rises
  int slots_taken;            // so many of `workers` were ever taken; only rises
  WorkerSlot workers[kMaxWorkers];
  InspectionSlot inspections[kInspectionSlots];
  int sync_slots;  // polyglot_sync.max_syncs
  SyncSlot syncs[FLEXIBLE_ARRAY_MEMBER];
};

/// A free slot.
void InitSyncSlot(SyncSlot* slot);

/// nullptr without shared_preload_libraries.
SharedState* Shared();
/// How often this postmaster has restarted its processes because one of them died.
int CrashRestarts();
/// Those that have followed each other until now, each within an hour of the one before.
int RecentCrashes();
/// Called by _PG_init while preloading.
void RequestSharedState();

}  // namespace polyglot::pg
