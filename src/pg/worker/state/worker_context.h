#pragma once
// What the parts of the worker share. One object per worker process, on the heap; it outlives every
// PostgreSQL phase, so a longjmp to the process's end skips no destructor that matters.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/ownership/version_clock.h"
#include "core/queue/settlement.h"
#include "core/queue/snapshot.h"
#include "core/search/lease_document.h"
#include "pg/document/row_batch.h"
#include "pg/queue/queue_reader.h"
#include "pg/worker/state/channel.h"
#include "pg/worker/state/sync_runtime.h"

namespace polyglot::pg {

/// A full scan of the queue that has been completed.
struct ScanInfo {
  std::uint64_t number;
  core::Snapshot snapshot;  // taken when it began
  std::uint64_t request;    // highest wait_for_sync request made before it began
  std::int64_t begun_at;    // TimestampTz
};

struct WorkerContext {
  WorkerSlot* slot = nullptr;
  Oid server = InvalidOid;
  std::int32_t queue = 0, instance = 0;
  std::string server_name;
  core::Time started_at{0};
  std::uint64_t config_generation = 0;  // of the definitions that are in `syncs`
  core::Time configuring_at{0};         // when the configuration being read now was begun
  core::Time request_timeout{30'000'000};
  core::Time linger{2000};
  std::uint64_t max_queue_bytes = 0;  // 0: no limit

  // Insert and Remove change it. The building ones of a sync have ids, too.
  std::map<std::int32_t, std::unique_ptr<SyncRuntime>> syncs;
  std::vector<SyncRuntime*> awake;  // those that have something to do: attention.h
  core::Time looked_at{0};          // when all of them were looked at
  std::uint64_t request_seen = 0;   // the newest request of a session then
  std::map<std::int32_t, std::string> syncs_of_database;  // those of other servers too: the alias
  std::int32_t last_sync_number = 0;  // no sync that was known then has a higher one
  std::string home, incarnation;      // core/ownership/lease.h
  std::vector<core::TimelineEnd> history;
  core::Time lease_index_made{-1'000'000'000};
  std::vector<std::pair<Channel*, core::LeaseWrite>> farewells;  // leases of dropped syncs
  std::vector<std::unique_ptr<Channel>> channels;
  core::Settlement settlement;
  std::unique_ptr<QueueReader> reader;

  std::uint64_t scan_number = 1;       // the full scan that events are read for now
  std::deque<ScanInfo> scans;          // completed, not settled for every sync; at least the newest
  std::size_t forget_scans_at = 1000;  // so many of them: those that nothing separates go
  std::int64_t previous_scan_at = 0;   // TimestampTz at which the scan before began
  std::uint64_t pass_request = 0;
  std::int64_t pass_begun_at = 0;
  std::uint64_t last_scan_with_rows[2] = {0, 0};  // by queue table
  std::uint64_t events_since_save = 0;
  std::uint64_t control_sequence = 0;  // of the newest control record
  RowBatch rows_read;                  // memory of reread.cpp
  bool overflow = false;               // the queue has grown though it is read as fast as may be
  bool park_all = false;               // what is read now goes to the parked table
  std::string pinned;                  // who keeps the queue from being emptied
  std::string waits_for;               // whose lock of one of our tables the worker waits for
  core::Time locked_since{0};          // rotation has got no lock since
  core::VersionClock versions;         // for the age of documents
  // When something was done last, or looked for; each is its function's alone.
  struct Moments {
    core::Time positions_saved{0};  // SavePositions
    core::Time rotation_tried{0};   // RotateQueue
    core::Time queue_measured{0};   // LimitQueue
    core::Time owners_checked{0};   // CheckOwners
    core::Time errors_looked{0};    // StoreLastErrors
  } moments;
  std::uint64_t answered_request = 0;  // AdvancePositions
  struct Lingering {                   // ParkWhatLingers
    std::uint64_t scan = 0;  // the lowest that is not settled, while the queue is too large
    core::Time since{0};
  } lingering;
  bool answered = false;  // somebody may wait for what has been published
  bool leave = false;     // the worker is to end: extension, server or last sync gone

  // One fd that is readable when any channel has something to do.
  int poll_fd = -1;
  void WatchChannel(Channel* channel);

  struct IndexDrop {
    std::string alias, uuid;
    bool unless_aliased = false;
    Channel* channel = nullptr;
    bool asking = false, deleted = false, done = false;
    // No request is on its way any more that could make the index again; kNever: one is in flight.
    core::Time final_at = core::kNever;
    core::Time retry_at{0};
    core::Time store_at{0};  // somebody has its row
    // The lease of another copy of this database, as long as it may live.
    core::LeaseWatch watch;
  };
  std::map<std::string, IndexDrop> index_drops;

  SyncRuntime* Insert(std::unique_ptr<SyncRuntime> owned);
  std::unique_ptr<SyncRuntime> Remove(std::int32_t id);
  void Wake(SyncRuntime* sync);
  void WakeAll();
  /// A copy: who walks over it may wake others.
  std::vector<SyncRuntime*> Awake() const { return awake; }
  /// The generation that is being built for this sync; nullptr: none.
  SyncRuntime* BuildingOf(std::int32_t live) const;
  /// The syncs of a table.
  const std::vector<SyncRuntime*>& SyncsOf(Oid source);
  void SourceChanged() { sources_known_ = false; }

  SyncRuntime* Find(std::int32_t id) {
    auto it = syncs.find(id);
    return it == syncs.end() ? nullptr : it->second.get();
  }
  /// On any channel: after a change of its owner some of it may still be on the former one.
  bool AnyInFlight(std::int32_t sync, std::uint64_t below = UINT64_MAX) const {
    return std::any_of(channels.begin(), channels.end(), [&](const auto& channel) {
      return channel->delivery().AnyInFlight(sync, below);
    });
  }
  std::uint64_t CompletedScan() const { return scans.empty() ? 0 : scans.back().number; }

 private:
  std::unordered_map<std::int32_t, SyncRuntime*> buildings_;  // by the id of the live one
  std::unordered_map<Oid, std::vector<SyncRuntime*>> by_source_;
  bool sources_known_ = false;
};

/// Locks our own tables until the end of the transaction, without ever waiting for a lock in it
/// (own_tables.cpp). Before the transaction's snapshot.
void LockOwnTables();

/// Runs a PostgreSQL phase: one short transaction with SPI and a fresh snapshot. An ERROR below
/// ends the process (the launcher starts it again).
template <typename F>
void InTransaction(F&& f) {
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  LockOwnTables();
  SPI_connect();
  PushActiveSnapshot(GetTransactionSnapshot());
  f();
  PopActiveSnapshot();
  SPI_finish();
  CommitTransactionCommand();
  pgstat_report_stat(false);
}

}  // namespace polyglot::pg
