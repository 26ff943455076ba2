#include "pg/worker/search/epoch_keeper.h"

#include <algorithm>
#include <utility>

#include "core/search/error_text.h"
#include "core/search/index_requests.h"
#include "core/search/version_meta.h"
#include "core/version.h"
#include "pg/catalog/sync_state.h"
#include "pg/clock.h"
#include "pg/shared/sync_slots.h"
#include "pg/worker/search/index_condition.h"
#include "pg/worker/search/index_owner.h"
#include "pg/worker/search/lease_keeper.h"
#include "pg/worker/state/fill.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/state/generations.h"
#include "pg/worker/state/repair.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/state/withdraw.h"

namespace polyglot::pg {
namespace {

// A backup that is older than this is recognised, however little was written since.
constexpr core::Time kRaiseInterval{300'000'000};
// Each is a change of the search cluster's state: not hundreds of them at once.
constexpr int kWritesAtOnce = 4;

std::uint64_t FlushedPosition() { return GetFlushRecPtr(nullptr); }

// ---- the index's record -----------------------------------------------------------------------

// The index does not take its record. Only who waits for it is held up.
void WriteFailed(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  VersionState& versions = sync->versions;
  versions.writing = false;
  sync->index.checking = false;
  const core::Reply& reply = response.reply;
  // 403 is also the answer of an index that takes no changes of its metadata.
  const bool refused =
      reply.transport_ok && reply.status >= 400 && reply.status != 401 && reply.status < 500;
  if (versions.new_epoch != 0 || !refused) {
    if (versions.new_epoch != 0 || versions.BeyondBound())
      return IndexUnavailable(context, sync, response, refused ? kBlockedRetry : kIndexRetry);
    versions.retry_at = MonotonicNow() + kIndexRetry;
    return;
  }
  versions.retry_at = MonotonicNow() + kBlockedRetry;
  if (!versions.BeyondBound()) return;
  Block(sync, MonotonicNow());
  sync->why = "the index does not take its version bound: " + core::WholeRefusal(reply.body);
  SetSyncError(sync->slot, sync->why.c_str());
}

void Confirmed(SyncRuntime* sync) {
  VersionState& versions = sync->versions;
  versions.bound = versions.stored_bound;
  const bool writable = sync->index.step == IndexStep::kReady && !sync->index.check_before_write;
  if (writable) sync->channel->delivery().HoldSync(sync->id, versions.BeyondBound() || sync->held);
}

void TakeWritten(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  const core::Reply& reply = response.reply;
  const bool acknowledged = reply.transport_ok && reply.status == 200 &&
                            reply.body.find("\"acknowledged\":true") != std::string::npos;
  if (!acknowledged) return WriteFailed(context, sync, response);
  sync->versions.writing = false;
  sync->index.checking = false;
  if (sync->versions.new_epoch != 0)
    sync->versions.epoch_written = true;
  else
    Confirmed(sync);
}

core::VersionRecord NewRecord(const SyncRuntime& sync) {
  core::VersionRecord record = RecordToWrite(sync);
  if (sync.versions.new_epoch == 0) return record;
  record.epoch = sync.versions.new_epoch;
  record.bound = sync.versions.new_bound;
  return record;
}

// The server replaces `_meta` as a whole: what users keep there is read first.
void PutRecord(WorkerContext* context, SyncRuntime* sync, const Answer<Descriptions>& found) {
  const bool there = found && found.response.reply.status == 200 && found.value->size() <= 1;
  if (!there) return WriteFailed(context, sync, found);
  const std::string mapping = found.value->empty() ? "" : (*found.value)[0].mapping;
  auto body = core::MetaBody(mapping, core::MetaOf(NewRecord(*sync)));
  if (!body.ok()) return WriteFailed(context, sync, found);
  PutMapping(sync->channel, *sync->index.physical, body.value(), MonotonicNow(),
             ForSync(context, sync, TakeWritten));
}

void WriteRecord(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  sync->index.checking = true;
  sync->versions.writing = true;
  DescribeName(sync->channel, *sync->index.physical, now, ForSync(context, sync, PutRecord));
}

// ---- judging ----------------------------------------------------------------------------------

core::EpochQuestion QuestionOf(WorkerContext* context, const SyncRuntime& sync,
                               const core::IndexDescription& index) {
  core::EpochQuestion question;
  question.now = RecordToWrite(sync);
  question.stored_timeline = sync.versions.timeline;
  question.flushed = FlushedPosition();
  // In an index that is not managed there is one of somebody whom it was taken from, if any.
  if (sync.managed || sync.adopt) question.index = core::RecordOf(index.meta);
  question.first = !sync.versions.judged;
  question.acknowledged = sync.versions.judged ? sync.versions.bound : 0;
  question.adopt = sync.adopt;
  const LeaseState* lease = LeaseOf(context, sync);
  if (lease == nullptr || sync.index.created_here) return question;
  question.lease_raises = sync.IsBuilding() ? lease->disturbed : lease->raises;
  question.lease_vouches = lease->vouches;
  question.lease_epoch = lease->found_epoch;
  return question;
}

// The lease first, then the index, then our table: whoever finds one of them finds no lower epoch
// than was ever used.
void RaiseEpoch(SyncRuntime* sync, const core::EpochJudgement& judgement) {
  if (sync->IsBuilding())
    return RefuseIndex(sync, "another copy of this database may have written into it", "");
  VersionState& versions = sync->versions;
  versions.new_epoch = judgement.epoch;
  versions.repair = judgement.repair;
  // Positions begin again where this database stands.
  versions.new_bound = FlushedPosition() + core::kBoundStep;
  sync->index.checking = true;
  sync->channel->set_state(true, false, MonotonicNow());  // it has just answered
  sync->lease.renew_at = core::Time{0};
}

// The server went away, or the lease was lost, before it could be renewed. Who waits for that must
// not keep others from asking whether it is back; the index is judged again then.
void GiveUpEpoch(SyncRuntime* sync) {
  VersionState& versions = sync->versions;
  if (versions.new_epoch == 0 || versions.writing || versions.epoch_written) return;
  versions.new_epoch = 0;
  sync->index.checking = false;
  sync->index.step = IndexStep::kUnknown;
}

void WriteNewEpoch(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  VersionState& versions = sync->versions;
  if (versions.new_epoch == 0 || versions.writing || versions.epoch_written) return;
  if (sync->lease.written_epoch != versions.new_epoch) return;
  if (sync->managed)
    WriteRecord(context, sync, now);
  else
    versions.epoch_written = true;
}

void GoOn(SyncRuntime* sync, std::uint64_t index_bound) {
  VersionState& versions = sync->versions;
  if (!versions.judged) {
    versions.judged = true;
    versions.bound = sync->managed ? index_bound : versions.stored_bound;
    versions.raised = sync->index.created_here;
    versions.raised_at = MonotonicNow();
  }
  sync->lease.raises = false;
  IndexReady(sync);
}

// What the index says is not to be relied on: nothing is written until it was written again.
void WriteAgain(SyncRuntime* sync, bool older) {
  VersionState& versions = sync->versions;
  versions.judged = true;
  versions.index_older |= older;
  if (sync->managed) versions.bound = 0;
  IndexReady(sync);
}

// A new generation begins with epoch 1. Nothing can be written to this one any more.
void Exhausted(WorkerContext* context, SyncRuntime* sync, const std::string& index) {
  const std::string reason = "index \"" + index + "\" has reached its last epoch";
  if (!sync->managed || sync->IsBuilding())
    return RefuseIndex(sync, reason, "Drop the sync and create it again with another index.");
  sync->index.step = IndexStep::kUnavailable;
  sync->index.checking = false;
  CheckAgain(sync);
  sync->index.retry_at = core::kNever;
  WantRebuild(context, *sync, reason.c_str(), true, true);
}

void RefuseContested(SyncRuntime* sync) {
  RefuseIndex(sync,
              "another copy of this database has written into index \"" + *sync->index.physical +
                  "\" meanwhile",
              "End one of the two. If this one is to go on, call polyglot.adopt_sync: the index "
              "is then brought in step with it.");
}

// ---- storing ----------------------------------------------------------------------------------

void StoreOwner(const SyncRuntime& sync) {
  StoreVersions(sync.id, {.epoch = sync.epoch,
                          .bound = sync.versions.stored_bound,
                          .timeline = sync.versions.timeline});
}

void StoreStart(SyncRuntime* sync) {
  if (!LockState(sync)) return;
  sync->versions.stored_bound = FlushedPosition() + core::kBoundStep;
  sync->versions.timeline = ThisDatabase().timeline;
  sync->versions.unstored = false;
  StoreOwner(*sync);
}

// What the index lacks is delivered anyway while it is filled; otherwise it is compared with the
// table, and searches notice nothing.
void BringInStepAfter(WorkerContext* context, SyncRuntime* sync, const char* reason) {
  const bool filling = sync->backfill.running || sync->resync.version != 0;
  if (filling)
    RequestResync(sync, reason);
  else
    RequestRepair(*context, sync, reason);
  ReadOlderAgain(context, sync, core::MakeVersion(sync->epoch, 0));
}

// Lease and index have the new epoch already: what was drawn in the old one is drawn again.
void TakeEpoch(WorkerContext* context, SyncRuntime* sync) {
  VersionState& versions = sync->versions;
  bool locked = false;
  InTransaction([&] {
    if (!(locked = LockState(sync))) return;
    sync->epoch = versions.new_epoch;
    versions.timeline = ThisDatabase().timeline;
    versions.stored_bound = versions.new_bound;
    StoreOwner(*sync);
    if (versions.repair || sync->backfill.running || sync->resync.version != 0)
      BringInStepAfter(context, sync, "the database was promoted, restored or copied");
    else
      ReadOlderAgain(context, sync, core::MakeVersion(sync->epoch, 0));
  });
  if (!locked) return;
  versions.new_epoch = 0;
  versions.epoch_written = versions.index_older = versions.repair = false;
  versions.bound = versions.stored_bound;
  versions.judged = versions.raised = true;
  versions.raised_at = MonotonicNow();
  sync->lease.raises = false;
  IndexReady(sync);
}

void TakeOlderIndex(WorkerContext* context, SyncRuntime* sync) {
  InTransaction([&] {
    if (!LockState(sync)) return;
    sync->versions.index_older = false;
    BringInStepAfter(context, sync, "its index was restored");
  });
}

// The index is ours now, whoever had it before.
void EndAdoption(SyncRuntime* sync) {
  if (!sync->adopt || sync->index.step != IndexStep::kReady || !sync->versions.Settled()) return;
  InTransaction([&] {
    if (!LockState(sync)) return;
    sync->adopt = false;
    StoreAdopted(sync->id);
  });
}

// What others' open transactions have kept from being stored until now.
void StoreDue(WorkerContext* context, SyncRuntime* sync) {
  if (sync->versions.unstored) InTransaction([&] { StoreStart(sync); });
  if (sync->versions.epoch_written) TakeEpoch(context, sync);
  if (sync->versions.index_older) TakeOlderIndex(context, sync);
  EndAdoption(sync);
}

bool IsRaiseDue(const VersionState& versions, core::Time now) {
  if (versions.Unconfirmed()) return false;
  if (!versions.raised || versions.highest + core::kBoundStep / 2 > versions.bound) return true;
  return versions.highest > versions.raised_at_highest &&
         now - versions.raised_at >= kRaiseInterval;
}

bool MayWrite(const SyncRuntime& sync) {
  return !sync.failed && sync.failure.empty() && sync.channel != nullptr &&
         !sync.versions.unstored && sync.index.step == IndexStep::kReady && !sync.index.checking &&
         !sync.index.lost;
}

void RaiseBounds(std::vector<SyncRuntime*> due, core::Time now) {
  if (due.empty()) return;
  const std::uint64_t bound = FlushedPosition() + core::kBoundStep;
  InTransaction([&] {
    std::erase_if(due, [](SyncRuntime* sync) { return !LockState(sync); });
    for (SyncRuntime* sync : due) {
      sync->versions.stored_bound = bound;
      StoreOwner(*sync);
    }
  });
  for (SyncRuntime* sync : due) {
    sync->versions.raised = true;
    sync->versions.raised_at = now;
    sync->versions.raised_at_highest = sync->versions.highest;
    if (!sync->managed) Confirmed(sync);
  }
}

}  // namespace

core::VersionRecord ThisDatabase() {
  core::VersionRecord record;
  record.system_identifier = GetSystemIdentifier();
  record.database = MyDatabaseId;
  record.timeline = GetWALInsertionTimeLine();
  return record;
}

core::VersionRecord RecordToWrite(const SyncRuntime& sync) {
  core::VersionRecord record = ThisDatabase();
  record.sync = sync.PublicId();
  record.instance = sync.instance;
  record.epoch = sync.epoch;
  record.bound = sync.versions.stored_bound;
  return record;
}

void StartVersions(SyncRuntime* sync, std::uint64_t stored_bound, std::uint32_t stored_timeline) {
  VersionState& versions = sync->versions;
  versions.stored_bound = stored_bound;
  versions.timeline = stored_timeline;
  if (stored_bound != 0) return;
  versions.unstored = true;
  StoreStart(sync);
}

void AcceptIndex(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index) {
  // Nobody takes an index from a sync of the same database.
  const IndexOwner owner = OwnerOf(*context, *sync, index);
  if (owner == IndexOwner::kSibling)
    return RefuseName(context, sync, BelongsToOther(index.name, owner));
  const core::EpochQuestion question = QuestionOf(context, *sync, index);
  const core::EpochJudgement judgement = core::JudgeEpoch(question);
  switch (judgement.verdict) {
    case core::EpochVerdict::kGoOn:
      return GoOn(sync, question.index ? question.index->bound : 0);
    case core::EpochVerdict::kRewrite:
      return sync->managed ? WriteAgain(sync, false) : GoOn(sync, 0);
    case core::EpochVerdict::kIndexOlder:
      return WriteAgain(sync, true);
    case core::EpochVerdict::kRaise:
      return RaiseEpoch(sync, judgement);
    case core::EpochVerdict::kForeign:
      return RefuseName(context, sync, BelongsToOther(index.name, owner));
    case core::EpochVerdict::kContested:
      return RefuseContested(sync);
    case core::EpochVerdict::kExhausted:
      return Exhausted(context, sync, index.name);
  }
}

void KeepVersions(WorkerContext* context, core::Time now) {
  std::vector<SyncRuntime*> due;
  int writing = 0;
  for (SyncRuntime* sync : context->Awake()) {
    if (sync->failed || !sync->failure.empty()) continue;
    if (now >= sync->store_at) StoreDue(context, sync);
    if (sync->channel == nullptr) continue;
    if (sync->channel->connected() && sync->lease.held)
      WriteNewEpoch(context, sync, now);
    else
      GiveUpEpoch(sync);
    if (MayWrite(*sync) && IsRaiseDue(sync->versions, now) && now >= sync->store_at)
      due.push_back(sync);
    writing += sync->versions.writing ? 1 : 0;
  }
  RaiseBounds(std::move(due), now);
  for (SyncRuntime* sync : context->Awake()) {
    if (writing >= kWritesAtOnce) break;
    if (!MayWrite(*sync) || !sync->versions.Unconfirmed() || now < sync->versions.retry_at)
      continue;
    WriteRecord(context, sync, now);
    writing++;
  }
}

}  // namespace polyglot::pg
