#include "pg/worker/change_feed.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/queue_record.h"
#include "pg/worker/epoch.h"
#include "pg/worker/read_failures.h"
#include "pg/worker/rebuild.h"
#include "pg/worker/records.h"
#include "pg/worker/resync.h"
#include "pg/worker/source_lock.h"
#include "pg/worker/sync_state.h"
#include "pg/worker/verification.h"

namespace polyglot::pg {
namespace {

constexpr std::size_t kKeysPerRead = 1000;
constexpr std::size_t kBytesPerRead = 4u << 20;
constexpr std::size_t kWaitingKeys = 20000;  // beyond it the queue is not read on
constexpr std::size_t kUnconfirmed = 20000;  // beyond it nothing new is sent
constexpr std::int64_t kRecordsPerStep = 5000;

// ---- events → keys ----------------------------------------------------------------------------

// The routing value of an event, if the sync has one and the event knows it. false: it was recorded
// before the column's type changed.
bool RoutingOf(SyncRuntime* sync, const core::KeyEvent& event,
               const std::vector<std::string_view>& values, std::optional<std::string>* routing) {
  if (sync->routing_att == 0) return true;
  for (std::size_t i = 0; i < event.columns->size(); ++i) {
    const core::CapturedColumn& column = (*event.columns)[i];
    if (column.attnum != sync->routing_att || values[i].data() == nullptr) continue;
    std::string packed, text;
    core::AppendKeyHeader(&packed, {column});
    core::AppendValue(&packed, values[i]);
    PgError error;
    if (!sync->reader->RoutingOfValue(packed, &text, &error))
      return ERRCODE_TO_CATEGORY(error.sqlstate) == ERRCODE_DATA_EXCEPTION;  // has no document
    if (!text.empty()) *routing = std::move(text);
  }
  return true;
}

bool MakeKey(SyncRuntime* sync, const core::KeyEvent& event, PendingKey* key) {
  std::vector<std::string_view> values;
  if (!core::SplitValues(event.values, event.columns->size(), &values)) return false;
  if (!core::PackColumns(*event.columns, values, sync->key_columns, &key->key)) return false;
  PgError error;
  if (!sync->reader->IdOfKey(key->key, &key->id, &error)) return false;
  return RoutingOf(sync, event, values, &key->routing);
}

// polyglot.enqueue names a key of one sync; others of the same table may have other columns as theirs.
bool IsForAnother(const SyncRuntime& sync, const core::KeyEvent& event) {
  std::vector<std::string_view> values;
  if (event.kind != core::EventKind::kEnqueue ||
      !core::SplitValues(event.values, event.columns->size(), &values))
    return false;
  for (std::size_t i = 0; i < values.size(); ++i)
    for (const core::CapturedColumn& key : sync.key_columns)
      if ((*event.columns)[i].attnum == key.attnum && values[i].data() == nullptr) return true;
  return false;
}

// Keys that go to the parked table with this transaction.
using ParkList = std::map<SyncRuntime*, std::vector<PendingKey>>;

void NoteOldest(SyncRuntime* sync, std::uint64_t scan, std::int64_t captured_at) {
  auto [it, is_new] = sync->oldest_by_scan.emplace(scan, captured_at);
  if (!is_new) it->second = std::min(it->second, captured_at);
}

void KeepKey(WorkerContext* context, SyncRuntime* sync, PendingKey key) {
  key.tickets.scan = context->scan_number;
  NoteOldest(sync, context->scan_number, key.captured_at);
  sync->keys.Add(sync->id, std::move(key), &context->settlement);
}

void TakeEvent(WorkerContext* context, SyncRuntime* sync, const core::KeyEvent& event,
               const QueueRow& row, ParkList* parks) {
  if (sync->has_start && sync->start.Sees(row.xid)) return;  // settled before this worker began
  if (!sync->resync_wanted.empty()) return;  // older than the version that will be drawn
  // The backfill, when it begins, will see what this transaction sees; nothing else will be seen of
  // a live generation that stands still.
  if (sync->rebuild.fresh || sync->live.frozen) return;
  if (event.kind == core::EventKind::kTruncate) {
    if (!sync->managed) RequestResync(sync, "TRUNCATE");  // otherwise a request has told
    return;
  }
  if (event.kind == core::EventKind::kResync)
    return BringInStep(context, sync, "unknown rows changed");
  PendingKey key;
  if (!MakeKey(sync, event, &key)) {
    // A generation that is outdated already will be replaced by one that it fits.
    if (sync->live.outdated_since == 0 && !IsForAnother(*sync, event))
      BringInStep(context, sync, "an event does not fit the definition any more");
    return;
  }
  // A long transaction's event counts from the scan that could not see it yet, not from its
  // capture.
  key.captured_at = std::max<std::int64_t>(row.captured_at, context->previous_scan_at);
  if (sync->Parks() || context->park_all)
    (*parks)[sync].push_back(std::move(key));
  else
    KeepKey(context, sync, std::move(key));
}

void TakeRow(WorkerContext* context, const QueueRows& rows, const QueueRow& row, ParkList* parks) {
  if (row.instance != context->instance) return;  // copied from another database
  core::RecordReader reader(rows.Data(row));
  core::KeyEvent event;
  while (reader.Next(&event)) {
    if (event.kind == core::EventKind::kControl) continue;
    context->events_since_save++;
    for (auto& [id, sync] : context->syncs)
      if (sync->source == event.source) TakeEvent(context, sync.get(), event, row, parks);
  }
  if (!reader.ok())
    elog(WARNING, "polyglot_sync: a damaged row of queue %d was skipped", context->queue);
}

// What somebody's open transaction keeps from being parked waits in memory.
void StoreParks(WorkerContext* context, ParkList* parks) {
  for (auto& [sync, keys] : *parks) {
    if (LockState(sync)) {
      ParkKeys(sync, keys, DrawPositions(1));
    } else {
      for (PendingKey& key : keys) KeepKey(context, sync, std::move(key));
    }
  }
}

// ---- keys → operations ------------------------------------------------------------------------

struct Versions {
  std::uint64_t remove, index;
};

// A delete of a stale routing gets the lower of two versions: when both routings fall on one shard,
// the document that is indexed beside it must win.
Versions DrawVersions(const SyncRuntime& sync) {
  const std::uint64_t position = DrawPositions(2);
  const std::uint64_t epoch = sync.epoch << 52;
  return {epoch | (position - 1), epoch | position};
}

core::Operation NewOperation(const SyncRuntime& sync, core::OperationKind kind,
                             std::uint64_t version, std::string_view id, std::string_view key) {
  core::Operation op;
  op.sync = sync.id;
  op.kind = kind;
  op.version = version;
  op.index = sync.index.physical;
  op.id = id;
  op.key = key;
  return op;
}

class Rereading {
 public:
  Rereading(WorkerContext* context, SyncRuntime* sync) : context_(context), sync_(sync) {}

  bool Run() {
    keys_ = sync_->keys.Take(kKeysPerRead);
    if (keys_.empty()) return false;
    versions_ = DrawVersions(*sync_);
    ReadStatus status = ReadStatus::kOk;
    PgError error{};
    InTransaction([&] {
      if (!(locked_ = LockSource(sync_))) return;
      std::vector<std::string_view> packed, ids;
      for (const PendingKey& key : keys_) {
        packed.push_back(key.key);
        ids.push_back(key.id);
      }
      status = sync_->reader->ReadKeys(packed, kBytesPerRead, &batch_, &error, &ids);
      // The rows may be newer than their events, and of a commit that a crash would still undo.
      FlushEverythingVisible();
      // Rows that are not there any more may have been truncated: searches go on seeing them until
      // there is a new index. The read has locked the table, so nothing can come in between.
      truncated_ = TruncationPending(*sync_);
      if (truncated_) return;
      if (status == ReadStatus::kOk) {
        if ((stored_ = RecordReadFailures(sync_, batch_, versions_.index, &keys_)))
          UnparkFailures();
      } else if ((stored_ = LockState(sync_))) {
        FailSync(context_, sync_, error);
        ParkAll();
      }
    });
    if (!stored_) Postpone(sync_);
    if (truncated_ || !locked_ || !stored_) {
      PutAllBack();
    } else if (status == ReadStatus::kOk) {
      Submit();
    }
    ReleaseAll();
    return locked_;
  }
  bool truncated() const { return truncated_; }

 private:
  // A parked key whose row cannot be read has its outcome: the dead letter.
  void UnparkFailures() {
    std::unordered_set<std::string_view> failed;
    for (const ReadFailure& failure : batch_.failures) failed.insert(failure.id);
    std::list<core::Operation> ended;
    std::vector<const core::Operation*> pointers;
    for (const PendingKey& key : keys_) {
      if (key.tickets.probe == 0 || failed.count(key.id) == 0) continue;
      ended.push_back(
          NewOperation(*sync_, core::OperationKind::kIndex, versions_.index, key.id, key.key));
      ended.back().routing = key.routing;
      pointers.push_back(&ended.back());
    }
    UnparkKeys(sync_, pointers);
  }

  void ParkAll() {
    std::vector<PendingKey> keys(keys_.begin(), keys_.end());
    ParkKeys(sync_, keys, DrawPositions(1));
  }

  void Submit() {
    Group();
    for (const ReadRow& row : batch_.rows) SubmitRow(row);
    for (PendingKey& key : keys_) SubmitMissing(key);
  }

  void Group() {
    for (PendingKey& key : keys_) by_id_[key.id].push_back(&key);
    for (const ReadRow& row : batch_.rows) returned_.insert(batch_.Id(row));
    for (const ReadFailure& failure : batch_.failures) returned_.insert(failure.id);
  }

  // Tickets of the keys that name this document where it is now.
  core::Tickets TicketsOf(std::string_view id, const std::optional<std::string>& routing) {
    core::Tickets tickets;
    auto it = by_id_.find(id);
    if (it == by_id_.end()) return tickets;
    for (const PendingKey* key : it->second)
      if (key->routing == routing) tickets = core::Settlement::Merge(tickets, key->tickets);
    return tickets;
  }

  core::Operation NewDelete(std::string_view id, std::string_view key,
                            const std::optional<std::string>& routing, std::uint64_t version,
                            const core::Tickets& tickets) {
    sync_->rebuild.fewest--;
    core::Operation op = NewOperation(*sync_, core::OperationKind::kDelete, version, id, key);
    op.routing = routing;
    op.tickets = tickets;
    return op;
  }

  // Deletes the document where it may have been before. That goes after what it is now, so a key of
  // a former routing is done with when both are.
  void LeaveFormer(std::string_view id, const std::optional<std::string>& routing) {
    auto it = by_id_.find(id);
    if (it == by_id_.end()) return;
    for (const PendingKey* key : it->second) {
      if (key->routing == routing) continue;
      core::Operation op = NewDelete(id, key->key, key->routing, versions_.remove, key->tickets);
      op.former = true;
      SubmitOperation(context_, sync_, std::move(op));
    }
  }

  core::Operation NewIndex(const ReadRow& row, const std::optional<std::string>& routing,
                           const core::Tickets& tickets) {
    core::Operation op = NewOperation(*sync_, core::OperationKind::kIndex, versions_.index,
                                      batch_.Id(row), batch_.Key(row));
    op.routing = routing;
    op.body = batch_.Body(row);
    op.tickets = tickets;
    sync_->rebuild.most++;
    return op;
  }

  void SubmitRow(const ReadRow& row) {
    const std::string_view id = batch_.Id(row);
    std::optional<std::string> routing;
    if (row.has_routing) routing.emplace(batch_.Routing(row));
    const core::Tickets tickets = TicketsOf(id, routing);
    SubmitOperation(context_, sync_,
                    row.passes ? NewIndex(row, routing, tickets)
                               : NewDelete(id, batch_.Key(row), routing, versions_.index, tickets));
    LeaveFormer(id, routing);
  }

  // A key without a row is a delete; when the reading stopped early it is not known yet.
  void SubmitMissing(PendingKey& key) {
    if (returned_.count(key.id) != 0) return;
    if (!batch_.truncated) {
      SubmitOperation(context_, sync_,
                      NewDelete(key.id, key.key, key.routing, versions_.remove, key.tickets));
    } else {
      PutBack(key);
    }
  }

  void PutBack(const PendingKey& key) {
    context_->settlement.Add(sync_->id, key.tickets);  // ReleaseAll takes one off
    sync_->keys.PutBack(key, sync_->id, &context_->settlement);
  }

  void PutAllBack() {
    for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) PutBack(*key);
  }

  void ReleaseAll() {
    for (const PendingKey& key : keys_) context_->settlement.Release(sync_->id, key.tickets);
  }

  WorkerContext* context_;
  SyncRuntime* sync_;
  Versions versions_{};
  bool truncated_ = false, locked_ = false, stored_ = true;
  std::list<PendingKey> keys_;
  RowBatch batch_;
  std::unordered_map<std::string_view, std::vector<PendingKey*>> by_id_;
  std::unordered_set<std::string_view> returned_;
};

std::size_t WaitingKeys(const WorkerContext& context) {
  std::size_t waiting = 0;
  for (const auto& [id, sync] : context.syncs) waiting += sync->keys.size();
  return waiting;
}

void CompletePass(WorkerContext* context) {
  if (!context->reader->pass_was_full()) return;
  context->scans.push_back({context->scan_number, context->reader->pass_snapshot(),
                            context->pass_request, context->pass_begun_at});
  context->previous_scan_at = context->pass_begun_at;
  context->scan_number++;
}

}  // namespace

void TakeQueueRows(WorkerContext* context, const QueueRows& rows) {
  ParkList parks;
  for (const QueueRow& row : rows.rows) {
    TakeRow(context, rows, row, &parks);
    context->last_scan_with_rows[row.table] = context->scan_number;
  }
  StoreParks(context, &parks);
  StartWantedRebuilds(context);
}

bool DefinitionsChanged(const WorkerContext& context) {
  return pg_atomic_read_u64(&Shared()->config_generation) != context.config_generation;
}

// What is read beyond a full pipeline must go to the parked table at once.
bool HeldUp(const WorkerContext& context) {
  if (!PipelineFull(context)) return false;
  const core::Time now = MonotonicNow();
  return !context.overflow ||
         std::any_of(context.syncs.begin(), context.syncs.end(),
                     [now](const auto& s) { return now < s.second->store_at; });
}

std::int64_t ReadQueue(WorkerContext* context, bool full) {
  context->park_all = PipelineFull(*context);
  if (HeldUp(*context)) return 0;
  QueueRows rows;
  bool complete = false, exists = true, changed = false;
  if (!context->reader->in_pass()) {
    context->pass_request = pg_atomic_read_u64(&Shared()->request);
    context->pass_begun_at = GetCurrentTimestamp();
  }
  InTransaction([&] {
    if (!(exists = context->reader->Exists())) return;
    if ((changed = DefinitionsChanged(*context))) return;
    // With a snapshot that is not older than that of the rows below: a TRUNCATE is known before the
    // events of its transaction.
    TakeRebuildRequests(context);
    complete = context->reader->Step(full, kRecordsPerStep, MonotonicNow(), &rows);
    if (rows.rows.empty()) return;
    FlushEverythingVisible();
    TakeQueueRows(context, rows);
  });
  if (!exists) context->leave = true;  // the extension was dropped
  if (changed) return -1;
  if (complete) CompletePass(context);
  std::int64_t records = 0;
  for (const QueueRow& row : rows.rows) records += row.count;
  return records;
}

bool ReadRowsAgain(WorkerContext* context) {
  bool worked = false, truncated = false;
  const core::Time now = MonotonicNow();
  for (auto& [id, sync] : context->syncs) {
    if (sync->keys.empty() || sync->index.physical == nullptr || !sync->Sends() || sync->held)
      continue;
    if (sync->unconfirmed.size() >= kUnconfirmed || now < sync->read_at) continue;
    if (!sync->channel->delivery().HasRoom()) continue;
    Rereading reading(context, sync.get());
    worked |= reading.Run();
    if (!(truncated = reading.truncated())) continue;
    break;  // runtimes may go
  }
  if (truncated) InTransaction([&] { TakeRebuildRequests(context); });
  return worked;
}

bool AnyKeysWaiting(const WorkerContext& context) {
  const core::Time now = MonotonicNow();
  return std::any_of(context.syncs.begin(), context.syncs.end(), [now](const auto& entry) {
    return !entry.second->keys.empty() && now >= entry.second->read_at;
  });
}

bool PipelineFull(const WorkerContext& context) { return WaitingKeys(context) >= kWaitingKeys; }

void SubmitOperation(WorkerContext* context, SyncRuntime* sync, core::Operation operation) {
  context->settlement.Add(sync->id, operation.tickets);
  NoteVersion(sync, operation.version);
  NoteOperation(sync, operation.id);
  sync->channel->delivery().Submit(std::move(operation), MonotonicNow());
}

}  // namespace polyglot::pg
