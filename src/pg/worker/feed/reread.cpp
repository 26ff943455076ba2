#include "pg/worker/feed/reread.h"

#include <functional>
#include <list>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/hash_index.h"
#include "core/version.h"
#include "pg/catalog/rebuild_requests.h"
#include "pg/clock.h"
#include "pg/fault_points.h"
#include "pg/shared/version_positions.h"
#include "pg/worker/feed/read_failures.h"
#include "pg/worker/rebuild/rebuild.h"
#include "pg/worker/state/crash_guard.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/state/read_lock.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/state/submit.h"

namespace polyglot::pg {
namespace {

constexpr std::size_t kKeysPerRead = 1000;
constexpr std::size_t kBytesPerRead = 4u << 20;
constexpr std::size_t kBytesKept = 1u << 20;  // for the next read
constexpr std::size_t kUnconfirmed = 20000;   // beyond it nothing new is sent

struct Versions {
  std::uint64_t remove, index;
};

// A delete of a stale routing gets the lower of two versions: when both routings fall on one shard,
// the document that is indexed beside it must win.
Versions DrawVersions(const SyncRuntime& sync) {
  const std::uint64_t position = DrawPositions(2);
  const std::uint64_t epoch = core::MakeVersion(sync.epoch, 0);
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
  Rereading(WorkerContext* context, SyncRuntime* sync)
      : context_(context), sync_(sync), batch_(context->rows_read) {
    batch_.Clear();
  }

  bool Run() {
    keys_ = sync_->keys.Take(Careful() ? 1 : kKeysPerRead);
    if (keys_.empty()) return false;
    if (Careful()) NoteReading(*context_, keys_.front().key);
    versions_ = DrawVersions(*sync_);
    ReadStatus status = ReadStatus::kOk;
    PgError error{};
    InTransaction([&] {
      if (!(locked_ = LockSource(sync_))) return;
      std::vector<std::string_view> packed, ids;
      for (const core::PendingKey& key : keys_) {
        if (SetAside(key)) continue;
        FaultKey("fault_key", key.id);
        packed.push_back(key.key);
        ids.push_back(key.id);
      }
      status = sync_->reader->ReadKeys(packed, kBytesPerRead, &batch_, &error, &ids);
      if (!(locked_ = NoteStatus(sync_, status))) return;
      // The rows may be newer than their events, and of a commit that a crash would still undo.
      FlushEverythingVisible();
      // Rows that are not there any more may have been truncated: searches go on seeing them until
      // there is a new index. The read has locked the table, so nothing can come in between.
      truncated_ = sync_->managed && TruncationRequested(sync_->PublicId());
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
    if (batch_.bytes.capacity() > kBytesKept) batch_ = RowBatch{};
    return locked_;
  }
  bool truncated() const { return truncated_; }

 private:
  // Workers died on it: a dead letter, without another look at the row.
  bool SetAside(const core::PendingKey& key) {
    if (!IsSetAside(key.key)) return false;
    ReadFailure failure{key.id, key.key, PgError{}};
    failure.error.sqlstate = ERRCODE_INTERNAL_ERROR;
    strlcpy(failure.error.message, "workers died twice when they read this row",
            sizeof failure.error.message);
    batch_.failures.push_back(std::move(failure));
    return true;
  }

  // A parked key whose row cannot be read has its outcome: the dead letter.
  void UnparkFailures() {
    std::unordered_set<std::string_view> failed;
    for (const ReadFailure& failure : batch_.failures) failed.insert(failure.id);
    std::list<core::Operation> ended;
    std::vector<const core::Operation*> pointers;
    for (const core::PendingKey& key : keys_) {
      if (key.tickets.probe == 0 || failed.count(key.id) == 0) continue;
      ended.push_back(
          NewOperation(*sync_, core::OperationKind::kIndex, versions_.index, key.id, key.key));
      ended.back().routing = key.routing;
      pointers.push_back(&ended.back());
    }
    UnparkKeys(sync_, pointers);
  }

  void ParkAll() {
    std::vector<core::PendingKey> keys(keys_.begin(), keys_.end());
    ParkKeys(sync_, keys, DrawPositions(1));
  }

  void Submit() {
    Group();
    for (const ReadRow& row : batch_.rows) SubmitRow(row);
    for (const Wanted& wanted : wanted_)
      if (!wanted.first->returned) SubmitMissing(*wanted.key);
  }

  // A key that was read, among those that name the same document.
  struct Wanted {
    core::PendingKey* key;
    Wanted* first;  // of its document
    Wanted* next = nullptr;
    Wanted* last = nullptr;  // of the first: the end of the chain
    bool returned = false;   // of the first: there is a row, or a failure
  };

  void Group() {
    wanted_.reserve(keys_.size());
    for (core::PendingKey& key : keys_) {
      Wanted* added = &wanted_.emplace_back(Wanted{.key = &key, .first = nullptr});
      Wanted* first = FirstOf(key.id);
      added->first = first == nullptr ? added : first;
      if (first == nullptr)
        by_id_.Insert(std::hash<std::string_view>{}(key.id), added);
      else
        (first->last == nullptr ? first : first->last)->next = added;
      added->first->last = added;
    }
    for (const ReadRow& row : batch_.rows) MarkReturned(batch_.Id(row));
    for (const ReadFailure& failure : batch_.failures) MarkReturned(failure.id);
  }

  void MarkReturned(std::string_view id) {
    if (Wanted* first = FirstOf(id)) first->returned = true;
  }

  Wanted* FirstOf(std::string_view id) const {
    return by_id_.Find(std::hash<std::string_view>{}(id),
                       [id](const Wanted& wanted) { return wanted.key->id == id; });
  }

  // Tickets of the keys that name this document where it is now.
  core::Tickets TicketsOf(const Wanted* first, const std::optional<std::string>& routing) {
    core::Tickets tickets;
    for (const Wanted* one = first; one != nullptr; one = one->next)
      if (one->key->routing == routing)
        tickets = core::Settlement::Merge(tickets, one->key->tickets);
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
  void LeaveFormer(const Wanted* first, const std::optional<std::string>& routing) {
    for (const Wanted* one = first; one != nullptr; one = one->next) {
      const core::PendingKey* key = one->key;
      if (key->routing == routing) continue;
      core::Operation op =
          NewDelete(key->id, key->key, key->routing, versions_.remove, key->tickets);
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
    const Wanted* first = FirstOf(id);
    const core::Tickets tickets = TicketsOf(first, routing);
    SubmitOperation(context_, sync_,
                    row.passes ? NewIndex(row, routing, tickets)
                               : NewDelete(id, batch_.Key(row), routing, versions_.index, tickets));
    LeaveFormer(first, routing);
  }

  // A key without a row is a delete; when the reading stopped early it is not known yet.
  void SubmitMissing(core::PendingKey& key) {
    if (!batch_.truncated) {
      SubmitOperation(context_, sync_,
                      NewDelete(key.id, key.key, key.routing, versions_.remove, key.tickets));
    } else {
      PutBack(key);
    }
  }

  void PutBack(const core::PendingKey& key) {
    context_->settlement.Add(sync_->id, key.tickets);  // ReleaseAll takes one off
    sync_->keys.PutBack(key, sync_->id, &context_->settlement);
  }

  void PutAllBack() {
    for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) PutBack(*key);
  }

  void ReleaseAll() {
    for (const core::PendingKey& key : keys_) context_->settlement.Release(sync_->id, key.tickets);
    sync_->keys.Recycle(std::move(keys_));
  }

  WorkerContext* context_;
  SyncRuntime* sync_;
  Versions versions_{};
  bool truncated_ = false, locked_ = false, stored_ = true;
  std::list<core::PendingKey> keys_;
  RowBatch& batch_;
  std::vector<Wanted> wanted_;
  core::HashIndex<Wanted> by_id_;
};

}  // namespace

bool ReadRowsAgain(WorkerContext* context) {
  bool worked = false, truncated = false;
  const core::Time now = MonotonicNow();
  for (SyncRuntime* sync : context->Awake()) {
    if (sync->keys.empty() || sync->index.physical == nullptr || !sync->Sends() || sync->held)
      continue;
    if (sync->unconfirmed.size() >= kUnconfirmed || now < sync->read_at) continue;
    if (!sync->channel->delivery().HasRoom(sync->id)) continue;
    Rereading reading(context, sync);
    worked |= reading.Run();
    if (!(truncated = reading.truncated())) continue;
    break;  // runtimes may go
  }
  if (truncated) InTransaction([&] { TakeRebuildRequests(context); });
  return worked;
}

}  // namespace polyglot::pg
