#include "pg/worker/search/lease_keeper.h"

#include <algorithm>
#include <utility>

#include "core/ownership/index_owner.h"
#include "pg/clock.h"
#include "pg/worker/search/epoch_keeper.h"
#include "pg/worker/search/index_condition.h"

namespace polyglot::pg {
namespace {

using Lease = Answer<std::optional<core::FoundLease>>;
using Written = Answer<std::pair<std::int64_t, std::int64_t>>;

constexpr core::Time kLookAgain{5'000'000};
constexpr core::Time kShardsCome{10'000'000}, kShardRetry{100'000};
constexpr core::Time kRetry{1'000'000};
constexpr core::Time kGoodbye{300'000};
constexpr core::Time kEarly{1'000'000};

using HeldThen = std::function<void(WorkerContext*, SyncRuntime*)>;

SyncRuntime* HolderOf(WorkerContext* context, const SyncRuntime& sync) {
  return context->Find(sync.PublicId());
}

core::LeaseRecord RecordOf(const WorkerContext& context, const SyncRuntime& sync) {
  core::LeaseRecord record;
  const core::VersionRecord database = ThisDatabase();
  record.system_identifier = database.system_identifier;
  record.database = database.database;
  record.timeline = database.timeline;
  record.sync = sync.id;
  record.home = context.home;
  record.incarnation = context.incarnation;
  record.epoch = sync.versions.new_epoch != 0 ? sync.versions.new_epoch : sync.epoch;
  record.position = pg_atomic_read_u64(&Shared()->last_position);
  return record;
}

// ---- taking -----------------------------------------------------------------------------------

// `asked`: when. Others count from when it was written, which may have been at once.
void Held(LeaseState* lease, std::int64_t seq_no, std::int64_t primary_term, std::uint64_t epoch,
          core::Time asked) {
  lease->held = lease->was_held = true;
  lease->seq_no = seq_no;
  lease->primary_term = primary_term;
  lease->written_epoch = epoch;
  lease->renew_at = asked + core::kLeaseRenewal;
  lease->valid_until = asked + core::kLeaseWatch;
  lease->watch.End();
}

// Somebody was faster, for one this very server's other generation: a race, not an error.
void LostRace(SyncRuntime* sync) {
  sync->channel->delivery().HoldSync(sync->id, true);
  sync->index.check_before_write = true;
  CheckAgain(sync);
  sync->channel->set_state(true, false, MonotonicNow());
  AskLater(sync, kRetry);
}

void NotHeld(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  // The index of the leases has just been made: its shard is not there yet, which tells nothing of
  // the server.
  const bool new_index = MonotonicNow() - context->lease_index_made < kShardsCome;
  if (new_index && response.reply.status == 503) return AskLater(sync, kShardRetry);
  if (response.reply.transport_ok && response.reply.status == 409) return LostRace(sync);
  IndexUnavailable(context, sync, response, kIndexRetry);
}

void TakeWritten(WorkerContext* context, SyncRuntime* sync, const Written& place,
                 std::uint64_t epoch, core::Time asked, const HeldThen& then) {
  LeaseState* lease = LeaseOf(context, *sync);
  if (!place || lease == nullptr) return NotHeld(context, sync, place);  // also 409: look again
  Held(lease, place.value->first, place.value->second, epoch, asked);
  sync->index.checking = false;
  then(context, sync);
}

void Write(WorkerContext* context, SyncRuntime* sync, const core::FoundLease* found,
           HeldThen then) {
  SyncRuntime* holder = HolderOf(context, *sync);
  const core::LeaseRecord record = RecordOf(*context, *holder);
  const core::Time now = MonotonicNow();
  WriteLease(sync->channel, holder->alias, found, record, now,
             ForSync(context, sync,
                     [then = std::move(then), epoch = record.epoch, now](
                         WorkerContext* c, SyncRuntime* s, const Written& place) {
                       TakeWritten(c, s, place, epoch, now, then);
                     }));
}

void MakeIndexOfLeases(WorkerContext* context, SyncRuntime* sync) {
  context->lease_index_made = MonotonicNow();
  MakeLeaseIndex(
      sync->channel, MonotonicNow(),
      ForSync(context, sync, [](WorkerContext* c, SyncRuntime* s, const net::Response& response) {
        const int status = response.reply.status;
        if (status == 200 || status == 400) return AskLater(s, core::Time{0});  // 400: it is there
        NotHeld(c, s, response);
      }));
}

// ---- judging ----------------------------------------------------------------------------------

core::LeaseQuestion QuestionOf(WorkerContext* context, const SyncRuntime& holder,
                               const core::FoundLease& found, core::Time now) {
  core::LeaseQuestion question;
  const core::LeaseRecord& record = found.record;
  question.now = RecordOf(*context, holder);
  question.flushed = GetFlushRecPtr(nullptr);
  question.history = context->history;
  question.found = found;
  const core::LeaseWatch& watch = holder.lease.watch;
  question.unchanged = watch.unchanged(now);
  question.watched = watch.watched(now);
  question.renewals = watch.renewals();
  if (holder.lease.was_held) {  // who has it now took it from us
    question.watched = core::kLeasePatience;
    question.renewals = core::kLeaseRenewals;
  }
  question.abandoned = record.incarnation == question.now.incarnation &&
                       record.database == question.now.database &&
                       context->syncs_of_database.count(record.sync) == 0;
  const auto other = context->syncs_of_database.find(record.sync);
  question.sibling = record.system_identifier == question.now.system_identifier &&
                     record.database == question.now.database && record.sync != holder.id &&
                     other != context->syncs_of_database.end() && other->second == holder.alias;
  question.adopt = holder.adopt;
  return question;
}

void Wait(SyncRuntime* sync) {
  AskLater(sync, kLookAgain);
  sync->channel->set_state(true, false, MonotonicNow());
}

void Contested(SyncRuntime* holder, SyncRuntime* sync, bool sibling) {
  Wait(sync);
  holder->lease = LeaseState{};
  if (sibling)
    return RefuseIndex(holder,
                       "index \"" + holder->alias +
                           "\" belongs to another sync of this database, whose server is the same "
                           "by another name",
                       "Every sync has an index of its own: drop this one and create it with "
                       "another index.");
  RefuseIndex(holder,
              "index \"" + holder->alias +
                  "\" is owned by another copy of this database, "
                  "which is running, or by a sync of another one",
              "End that one, then call polyglot.resume_sync; or take the index over from it with "
              "polyglot.adopt_sync.");
}

void Take(WorkerContext* context, SyncRuntime* sync, const core::FoundLease& found,
          const core::LeaseJudgement& judgement, HeldThen then) {
  LeaseState* lease = LeaseOf(context, *sync);
  lease->raises |= judgement.raise;
  lease->disturbed |= judgement.raise;
  lease->vouches &= !judgement.doubt;
  lease->found_epoch = std::max(lease->found_epoch, found.record.epoch);
  if (!core::SameSync(found.record, RecordOf(*context, *HolderOf(context, *sync))))
    lease->before = found.record;
  Write(context, sync, &found, std::move(then));
}

void Judge(WorkerContext* context, SyncRuntime* sync, const core::FoundLease& found,
           HeldThen then) {
  SyncRuntime* holder = HolderOf(context, *sync);
  const core::Time now = MonotonicNow();
  holder->lease.watch.Look(found, now);
  const core::LeaseQuestion question = QuestionOf(context, *holder, found, now);
  const core::LeaseJudgement judgement = JudgeLease(question);
  switch (judgement.verdict) {
    case core::LeaseVerdict::kTake:
      return Take(context, sync, found, judgement, std::move(then));
    case core::LeaseVerdict::kWatch:
      return Wait(sync);
    case core::LeaseVerdict::kContested:
      return Contested(holder, sync, question.sibling);
  }
}

void TakeLease(WorkerContext* context, SyncRuntime* sync, const Lease& lease,
               const HeldThen& then) {
  SyncRuntime* holder = HolderOf(context, *sync);
  if (holder == nullptr || !TellsHolders(lease.response.reply))
    return NotHeld(context, sync, lease);
  if (HoldsLease(context, *sync, MonotonicNow())) {
    // The live generation and the one that is being built ask for the same lease; the other one has
    // got it meanwhile, and this answer tells what was before.
    sync->index.checking = false;
    return then(context, sync);
  }
  if (MissesLeaseIndex(lease)) return MakeIndexOfLeases(context, sync);
  if (!lease) return NotHeld(context, sync, lease);
  if (*lease.value) return Judge(context, sync, **lease.value, then);
  // Nobody has it: nothing vouches for what is in the index, should there be one.
  holder->lease.vouches = false;
  Write(context, sync, nullptr, then);
}

// ---- renewing ---------------------------------------------------------------------------------

void TakeItem(SyncRuntime* sync, const core::LeaseItem& item, std::uint64_t epoch,
              core::Time asked) {
  if (item.status / 100 == 2)
    Held(&sync->lease, item.seq_no, item.primary_term, epoch, asked);
  else if (item.status == 409 || item.status == 404)
    sync->lease.held = false;  // or the answer to an earlier renewal was: it is looked at again
}

// Somebody has adopted the index: whose it is now is asked for anew.
void TakeClaimItem(SyncRuntime* sync, const core::LeaseItem& item) {
  if (item.status / 100 == 2) {
    sync->claim.seq_no = item.seq_no;
    sync->claim.primary_term = item.primary_term;
  } else if (item.status == 409 || item.status == 404) {
    sync->claim = ClaimState{};
    sync->lease.held = false;
  }
}

struct Renewal {
  std::int32_t sync;
  std::uint64_t incarnation, epoch;
  bool claim;  // of an index that is not managed, not of the alias
};

// A write as small as this one tells whether the server has no room at all.
void Testify(core::Delivery* delivery, const Answer<LeaseItems>& items) {
  const core::Reply& reply = items.response.reply;
  bool taken = false, full = reply.transport_ok && reply.status == 429;
  if (items)
    for (const core::LeaseItem& item : *items.value) {
      taken |= item.status / 100 == 2;
      full |= item.status == 429;
    }
  if (taken || full) delivery->Witness(!full, MonotonicNow());
}

void TakeRenewed(WorkerContext* context, const std::vector<Renewal>& renewals, core::Time asked,
                 const Answer<LeaseItems>& items) {
  const bool complete = items && items.value->size() >= renewals.size();
  for (std::size_t i = 0; i < renewals.size(); i++) {
    SyncRuntime* sync = context->Find(renewals[i].sync);
    if (sync == nullptr || sync->incarnation != renewals[i].incarnation) continue;
    if (renewals[i].claim) {
      if (complete && !sync->claim.uuid.empty()) TakeClaimItem(sync, (*items.value)[i]);
      continue;
    }
    const bool given_back = !std::exchange(sync->lease.renewing, false);
    if (given_back) continue;
    sync->lease.renew_at = MonotonicNow() + kRetry + kEarly;
    if (complete) TakeItem(sync, (*items.value)[i], renewals[i].epoch, asked);
  }
}

std::vector<core::LeaseWrite> TakeFarewells(WorkerContext* context, const Channel* channel) {
  std::vector<core::LeaseWrite> writes;
  std::erase_if(context->farewells, [&](auto& farewell) {
    if (farewell.first != channel) return false;
    writes.push_back(std::move(farewell.second));
    return true;
  });
  return writes;
}

core::LeaseWrite WriteOf(const SyncRuntime& sync, const core::LeaseRecord& record) {
  return {.name = sync.alias,
          .seq_no = sync.lease.seq_no,
          .primary_term = sync.lease.primary_term,
          .body = core::LeaseBody(record)};
}

// Those that rest are looked at once a second, so nothing is late that goes a second early.
bool AnyDue(const WorkerContext& context, const Channel* channel, core::Time now) {
  return std::any_of(context.awake.begin(), context.awake.end(), [&](const SyncRuntime* sync) {
    return sync->channel == channel && sync->lease.held && !sync->lease.renewing &&
           now + kEarly >= sync->lease.renew_at;
  });
}

core::LeaseWrite ClaimOf(const SyncRuntime& sync, std::string body) {
  return {.name = core::OwnerName(sync.claim.uuid),
          .seq_no = sync.claim.seq_no,
          .primary_term = sync.claim.primary_term,
          .body = std::move(body)};
}

void Renew(WorkerContext* context, Channel* channel, core::Time now) {
  const bool farewells = std::any_of(context->farewells.begin(), context->farewells.end(),
                                     [channel](const auto& f) { return f.first == channel; });
  if (!farewells && !AnyDue(*context, channel, now)) return;
  std::vector<core::LeaseWrite> writes;
  std::vector<Renewal> renewals;
  for (auto& [id, sync] : context->syncs) {
    LeaseState& lease = sync->lease;
    if (sync->channel != channel || !lease.held || lease.renewing) continue;
    if (now + 2 * kEarly < lease.renew_at) continue;  // what is due soon goes along
    const core::LeaseRecord record = RecordOf(*context, *sync);
    writes.push_back(WriteOf(*sync, record));
    renewals.push_back({id, sync->incarnation, record.epoch, false});
    lease.renewing = true;
    if (sync->claim.uuid.empty()) continue;
    writes.push_back(ClaimOf(*sync, core::LeaseBody(core::OwnerDocument(RecordToWrite(*sync)))));
    renewals.push_back({id, sync->incarnation, record.epoch, true});
  }
  for (core::LeaseWrite& farewell : TakeFarewells(context, channel))
    writes.push_back(std::move(farewell));
  if (writes.empty()) return;
  RenewLeases(channel, writes, true, now,
              [context, channel, renewals, now](const Answer<LeaseItems>& items) {
                Testify(&channel->delivery(), items);
                TakeRenewed(context, renewals, now, items);
              });
}

// ---- the end ----------------------------------------------------------------------------------

bool AnyRenewing(const WorkerContext& context) {
  for (const auto& [id, sync] : context.syncs)
    if (sync->lease.renewing) return true;
  return false;
}

std::vector<core::LeaseWrite> Goodbyes(WorkerContext* context, const Channel* channel) {
  std::vector<core::LeaseWrite> writes = TakeFarewells(context, channel);
  for (auto& [id, sync] : context->syncs) {
    if (sync->channel != channel || !sync->lease.held) continue;
    core::LeaseRecord record = RecordOf(*context, *sync);
    record.released = true;
    writes.push_back(WriteOf(*sync, record));
  }
  return writes;
}

}  // namespace

LeaseState* LeaseOf(WorkerContext* context, const SyncRuntime& sync) {
  SyncRuntime* holder = HolderOf(context, sync);
  return holder == nullptr ? nullptr : &holder->lease;
}

bool HoldsLease(WorkerContext* context, const SyncRuntime& sync, core::Time now) {
  const LeaseState* lease = LeaseOf(context, sync);
  return lease != nullptr && lease->held && now < lease->valid_until;
}

void AskLease(WorkerContext* context, SyncRuntime* sync, core::Time now, HeldThen then) {
  SyncRuntime* holder = HolderOf(context, *sync);
  if (holder == nullptr) return;
  sync->index.checking = true;
  ReadLease(sync->channel, holder->alias, now,
            ForSync(context, sync,
                    [then = std::move(then)](WorkerContext* c, SyncRuntime* s, const Lease& lease) {
                      TakeLease(c, s, lease, then);
                    }));
}

void GiveBackLease(WorkerContext* context, SyncRuntime* sync) {
  SyncRuntime* holder = HolderOf(context, *sync);
  if (holder == nullptr || holder->channel == nullptr) return;
  LeaseState& lease = holder->lease;
  if (lease.held)
    context->farewells.emplace_back(
        holder->channel,
        core::LeaseWrite{holder->alias, lease.seq_no, lease.primary_term,
                         lease.before ? core::LeaseBody(*lease.before) : std::string()});
  lease = LeaseState{};
}

void DropLease(WorkerContext* context, const SyncRuntime& sync) {
  if (sync.IsBuilding() || sync.channel == nullptr) return;
  if (!sync.claim.uuid.empty()) context->farewells.emplace_back(sync.channel, ClaimOf(sync, ""));
  if (!sync.lease.held) return;
  context->farewells.emplace_back(
      sync.channel, core::LeaseWrite{sync.alias, sync.lease.seq_no, sync.lease.primary_term, ""});
}

void KeepLeases(WorkerContext* context, core::Time now) {
  for (auto& channel : context->channels)
    if (channel->connected()) Renew(context, channel.get(), now);
}

void HoldWithoutLease(WorkerContext* context, core::Time now) {
  for (SyncRuntime* sync : context->awake) {
    if (sync->channel == nullptr || sync->index.step != IndexStep::kReady) continue;
    if (sync->index.check_before_write || HoldsLease(context, *sync, now)) continue;
    sync->index.check_before_write = true;
    sync->channel->delivery().HoldSync(sync->id, true);
  }
}

core::Time NextLeaseDeadline(const WorkerContext& context) {
  core::Time next = core::kNever;
  for (const SyncRuntime* sync : context.awake)
    if (sync->lease.held && !sync->lease.renewing && sync->channel->connected())
      next = std::min(next, sync->lease.renew_at);
  return next;
}

void ReleaseLeases(WorkerContext* context) noexcept {
  try {
    const core::Time end = MonotonicNow() + kGoodbye;
    for (auto& channel : context->channels)
      while (channel->connected() && AnyRenewing(*context) && channel->WaitForAnswers(end)) {
      }
    for (auto& channel : context->channels) {
      if (!channel->connected()) continue;
      const std::vector<core::LeaseWrite> writes = Goodbyes(context, channel.get());
      bool answered = writes.empty();
      if (!answered)
        RenewLeases(channel.get(), writes, false, MonotonicNow(),
                    [&answered](const Answer<LeaseItems>&) { answered = true; });
      while (!answered && channel->WaitForAnswers(end)) {
      }
    }
  } catch (...) {  // out of memory: who comes next will watch
  }
}

}  // namespace polyglot::pg
