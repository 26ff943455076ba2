#include "pg/worker/search/index_keeper.h"

#include <algorithm>
#include <utility>

#include "core/search/index_requests.h"
#include "core/search/version_meta.h"
#include "pg/clock.h"
#include "pg/shared/sync_slots.h"
#include "pg/worker/search/epoch_keeper.h"
#include "pg/worker/search/index_alias.h"
#include "pg/worker/search/index_checks.h"
#include "pg/worker/search/index_condition.h"
#include "pg/worker/search/index_creation.h"
#include "pg/worker/search/index_owner.h"
#include "pg/worker/search/lease_keeper.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/state/generations.h"

namespace polyglot::pg {
namespace {

// Of one connection. Hundreds of syncs that are made at once, or whose server is back, would wait
// for each other in libcurl, where waiting counts as the server's time.
constexpr std::size_t kQuestionsAtOnce = 4;

void Adopt(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index) {
  sync->index.physical = std::make_shared<const std::string>(index.name);
  sync->index.uuid = index.uuid;
  sync->index.created_here = false;
  sync->index.dirty = true;
  if (sync->managed && std::exchange(sync->index.redefined, false))
    WantRebuild(context, *sync, "its index was made for an earlier definition", true, false);
  if (HasAliasEarly(*sync, index)) return TakeAliasAway(context, sync, index);
  NoteAlias(sync, index);
  AcceptIndex(context, sync, index);
}

void AskUuid(WorkerContext* context, SyncRuntime* sync, const std::string& physical,
             core::Time now);

void RetryIndex(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  IndexUnavailable(context, sync, response, kIndexRetry);
}

void Create(WorkerContext* context, SyncRuntime* sync, int generation) {
  MakeIndex(context, sync, generation, [](WorkerContext* c, SyncRuntime* s) {
    AskUuid(c, s, *s->index.physical, MonotonicNow());
  });
}

// ---- whose name is it -------------------------------------------------------------------------

// Created by us, but we died before that was stored: no document is in it.
const core::IndexDescription* FindUnstored(const WorkerContext& context, const SyncRuntime& sync,
                                           const Descriptions& holders) {
  if (sync.index.generation != 0) return nullptr;
  for (const core::IndexDescription& holder : holders) {
    const auto record = core::RecordOf(holder.meta);
    if (OwnerOf(context, sync, holder) == IndexOwner::kThis && record->instance == sync.instance &&
        core::GenerationOf(sync.alias, holder.name))
      return &holder;
  }
  return nullptr;
}

// What stands under the alias' name when we have no index yet.
void TakeHolders(WorkerContext* context, SyncRuntime* sync, const Descriptions& holders) {
  if (const core::IndexDescription* unstored = FindUnstored(*context, *sync, holders)) {
    sync->index.generation = *core::GenerationOf(sync->alias, unstored->name);
    return Adopt(context, sync, *unstored);
  }
  const bool any = !holders.empty();
  CheckHolders(context, sync, holders,
               {.free =
                    [any](WorkerContext* c, SyncRuntime* s) {
                      s->index.alias_pending = any;
                      Create(c, s, std::max(s->index.generation, s->live.last_generation) + 1);
                    },
                .refused = RefuseName,
                .unavailable = RetryIndex});
}

void TakeUnmanaged(WorkerContext* context, SyncRuntime* sync, const Descriptions& holders,
                   const net::Response& response) {
  const bool one = holders.size() == 1 &&
                   (holders[0].name == sync->alias || core::HasAlias(holders[0], sync->alias) ||
                    !holders[0].data_stream.empty());
  if (!one) {
    sync->index.missing = true;
    IndexUnavailable(context, sync, response, kBlockedRetry);
    sync->why = holders.empty() ? "the index does not exist; hint: Create it: manage_index is off."
                                : "the alias points to several indexes; hint: Let it name one.";
    SetSyncError(sync->slot, sync->why.c_str());
    return;
  }
  const core::IndexDescription& index = holders[0];
  const bool replaced = !sync->index.uuid.empty() && sync->index.uuid != index.uuid;
  ClaimIndex(context, sync, index, [index, replaced](WorkerContext* c, SyncRuntime* s) {
    Adopt(c, s, index);
    s->index.lost |= replaced;
  });
}

void TakeName(WorkerContext* context, SyncRuntime* sync, const Answer<Descriptions>& found) {
  if (!found) return IndexUnavailable(context, sync, found, kIndexRetry);
  const Descriptions& holders = *found.value;
  if (sync->managed)
    TakeHolders(context, sync, holders);
  else
    TakeUnmanaged(context, sync, holders, found);
}

void AskName(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  sync->index.step = IndexStep::kAsking;
  DescribeName(sync->channel, sync->alias, now, ForSync(context, sync, TakeName));
}

// ---- a generation that is being built ---------------------------------------------------------

// Its name was stored before it was asked for: one that stands there and names us was made by a
// worker that died before it could store the UUID.
void TakePlanned(WorkerContext* context, SyncRuntime* sync, const Answer<Descriptions>& answer) {
  if (!answer) return IndexUnavailable(context, sync, answer, kIndexRetry);
  const Descriptions& found = *answer.value;
  if (found.empty()) return Create(context, sync, sync->index.generation);
  if (found.size() == 1 && found[0].name == sync->index.planned &&
      OwnerOf(*context, *sync, found[0]) == IndexOwner::kThis)
    return Adopt(context, sync, found[0]);
  RefuseIndex(sync, "an index named \"" + sync->index.planned + "\" exists already", "");
}

void AskPlanned(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  sync->index.step = IndexStep::kAsking;
  DescribeName(sync->channel, sync->index.planned, now, ForSync(context, sync, TakePlanned));
}

// ---- is it still the same ---------------------------------------------------------------------

void Lost(SyncRuntime* sync) {
  sync->index.lost = true;
  sync->index.alias_elsewhere = false;
  sync->index.checking = false;
  CheckAgain(sync);
  sync->index.step = IndexStep::kUnknown;
  sync->index.physical.reset();
  sync->index.uuid.clear();
  sync->index.dirty = true;
  sync->channel->delivery().HoldSync(sync->id, true);
}

// A routine check that found nobody says that the server is away, though nothing is to be written:
// after it every index of this connection is compared before the first write.
void CheckFailed(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  const bool routine = sync->index.step == IndexStep::kReady && !sync->index.check_before_write;
  if (routine && !IsServerTrouble(response.reply)) {
    CheckAgain(sync);
    sync->index.checking = false;
    sync->index.next_check = MonotonicNow() + kIndexRetry;
    return;
  }
  if (routine && !ConcernsIndexOnly(*context, *sync, response.reply))
    CheckBeforeNextWrite(context, sync->channel);
  IndexUnavailable(context, sync, response, kIndexRetry);
}

void Compare(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index) {
  if (sync->index.uuid.empty()) {
    sync->index.uuid = index.uuid;  // just created
    sync->index.dirty = true;
  } else if (index.uuid != sync->index.uuid) {
    return Lost(sync);
  }
  if (!sync->managed)
    return ClaimIndex(context, sync, index, [index](WorkerContext* c, SyncRuntime* s) {
      NoteAlias(s, index);
      AcceptIndex(c, s, index);
    });
  if (HasAliasEarly(*sync, index)) return TakeAliasAway(context, sync, index);
  NoteAlias(sync, index);
  AcceptIndex(context, sync, index);
  LookAtAlias(context, sync, index);
}

void TakeUuid(WorkerContext* context, SyncRuntime* sync, const Answer<Descriptions>& found) {
  if (!TellsHolders(found.response.reply)) return CheckFailed(context, sync, found);
  if (!found) return IndexUnavailable(context, sync, found, kIndexRetry);
  if (found.value->size() != 1) return Lost(sync);
  Compare(context, sync, (*found.value)[0]);
}

void AskUuid(WorkerContext* context, SyncRuntime* sync, const std::string& physical,
             core::Time now) {
  BeginCheck(sync);
  sync->index.alone = false;
  if (sync->index.step != IndexStep::kReady) sync->index.step = IndexStep::kAsking;
  DescribeName(sync->channel, physical, now, ForSync(context, sync, TakeUuid));
}

void Begin(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  sync->channel->delivery().HoldSync(sync->id, true);
  if (!HoldsLease(context, *sync, now)) sync->claim = ClaimState{};
  if (!HoldsLease(context, *sync, now))
    return AskLease(context, sync, now,
                    [](WorkerContext* c, SyncRuntime* s) { Begin(c, s, MonotonicNow()); });
  if (sync->index.physical != nullptr && (sync->managed || !sync->index.uuid.empty()))
    AskUuid(context, sync, *sync->index.physical, now);
  else if (sync->IsBuilding())
    AskPlanned(context, sync, now);
  else
    AskName(context, sync, now);
}

// ---- the alias --------------------------------------------------------------------------------

void TakeAliasAnswer(WorkerContext* context, SyncRuntime* sync, const Answer<Done>& done) {
  sync->index.checking = false;
  if (done) {
    sync->index.alias_pending = false;
    sync->index.dirty = true;
  } else {
    IndexUnavailable(context, sync, done, kIndexRetry);
  }
}

void PointAlias(WorkerContext* context, SyncRuntime* sync, const Answer<Descriptions>& holders) {
  sync->index.checking = false;
  if (!holders) return IndexUnavailable(context, sync, holders, kIndexRetry);
  sync->index.checking = true;
  const Descriptions replaced = ReplacedBy(*sync, *holders.value);
  const core::AliasChange change =
      core::ChangeOfAlias(sync->alias, *sync->index.physical, *holders.value);
  CheckHolders(context, sync, replaced,
               {.free =
                    [change](WorkerContext* c, SyncRuntime* s) {
                      ChangeAlias(s->channel, change, MonotonicNow(),
                                  ForSync(c, s, TakeAliasAnswer));
                    },
                .refused = RefuseName,
                .unavailable = RetryIndex});
}

// Searches are to see in it what has been delivered from the first moment on.
void AskHolders(WorkerContext* context, SyncRuntime* sync, const Answer<Done>& refreshed) {
  sync->index.checking = false;
  if (!refreshed) return IndexUnavailable(context, sync, refreshed, kIndexRetry);
  sync->index.checking = true;
  DescribeName(sync->channel, sync->alias, MonotonicNow(), ForSync(context, sync, PointAlias));
}

bool IsDue(const SyncRuntime& sync, core::Time now) {
  const IndexState& index = sync.index;
  if (index.lost || index.checking) return false;
  switch (index.step) {
    case IndexStep::kUnknown:
      return true;
    case IndexStep::kUnavailable:
      return now >= index.retry_at;
    case IndexStep::kReady:
      return index.check_before_write || now >= index.next_check;
    case IndexStep::kAsking:
      return false;
  }
  return false;
}

bool MayAsk(const SyncRuntime& sync) {
  // A live generation whose index is lost waits for the next one.
  return !sync.failed && sync.failure.empty() && sync.channel != nullptr && !sync.index.lost &&
         !sync.versions.unstored && !(sync.live.frozen && sync.index.physical == nullptr);
}

bool IsAsking(const SyncRuntime& sync) {
  return sync.index.checking || sync.index.step == IndexStep::kAsking;
}

// A server that is away is asked by one sync at a time, in turn: an answer to any of them tells
// that it is back.
void Probe(WorkerContext* context, Channel* channel, core::Time now) {
  SyncRuntime *first = nullptr, *next = nullptr;
  for (SyncRuntime* sync : context->awake) {
    if (sync->channel != channel || !MayAsk(*sync)) continue;
    if (IsAsking(*sync)) return;
    if (sync->index.step == IndexStep::kUnavailable && sync->index.retry_at == core::kNever)
      continue;
    if (first == nullptr || sync->id < first->id) first = sync;
    if (sync->id > channel->last_probe && (next == nullptr || sync->id < next->id)) next = sync;
  }
  if (next == nullptr) next = first;
  if (next == nullptr) return;
  channel->last_probe = next->id;
  Begin(context, next, now);
}

std::size_t QuestionsOf(const WorkerContext& context, const Channel* channel) {
  return static_cast<std::size_t>(std::count_if(
      context.awake.begin(), context.awake.end(),
      [channel](const SyncRuntime* sync) { return sync->channel == channel && IsAsking(*sync); }));
}

bool IsRoutine(const IndexState& index) {
  return index.step == IndexStep::kReady && !index.check_before_write;
}

// Whoever cannot write comes first, then whoever was asked for longest ago.
bool ComesBefore(const SyncRuntime* a, const SyncRuntime* b) {
  return std::pair(IsRoutine(a->index), a->index.asked_at) <
         std::pair(IsRoutine(b->index), b->index.asked_at);
}

void AskThoseDue(WorkerContext* context, Channel* channel, core::Time now) {
  std::size_t asking = QuestionsOf(*context, channel);
  std::vector<SyncRuntime*> due;
  for (SyncRuntime* sync : context->awake)
    if (sync->channel == channel && MayAsk(*sync) && IsDue(*sync, now)) due.push_back(sync);
  std::stable_sort(due.begin(), due.end(), ComesBefore);
  AskTogether(context, &due, Compare, now);
  for (SyncRuntime* sync : due) {
    if (asking >= kQuestionsAtOnce) return;
    sync->index.asked_at = now;
    if (IsRoutine(sync->index))
      AskUuid(context, sync, *sync->index.physical, now);
    else
      Begin(context, sync, now);
    if (IsAsking(*sync)) ++asking;
  }
}

// Their next answer comes first.
std::vector<const Channel*> FullChannels(const WorkerContext& context) {
  std::vector<const Channel*> full;
  for (const auto& channel : context.channels)
    if (QuestionsOf(context, channel.get()) >= kQuestionsAtOnce) full.push_back(channel.get());
  return full;
}

void AskAllSoon(WorkerContext* context, Channel* channel, core::Time now) {
  for (auto& [id, sync] : context->syncs)
    if (sync->channel == channel && sync->index.retry_at != core::kNever)
      sync->index.retry_at = std::min(sync->index.retry_at, now);
}

}  // namespace

void KeepIndexes(WorkerContext* context, core::Time now) {
  for (auto& channel : context->channels) {
    if (channel->TakeReturned()) AskAllSoon(context, channel.get(), now);
    if (!channel->connected() && now >= channel->NextProbe(now)) Probe(context, channel.get(), now);
    if (channel->connected()) AskThoseDue(context, channel.get(), now);
  }
}

void CheckBeforeNextWrite(WorkerContext* context, Channel* channel) {
  for (auto& [id, sync] : context->syncs) {
    if (sync->channel != channel) continue;
    sync->index.check_before_write = true;
    channel->delivery().HoldSync(id, true);
  }
  context->WakeAll();
}

void SwitchAlias(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  if (sync->index.checking || sync->index.step != IndexStep::kReady) return;
  sync->index.checking = true;
  RefreshIndex(sync->channel, *sync->index.physical, now, ForSync(context, sync, AskHolders));
}

core::Time NextIndexDeadline(const WorkerContext& context, core::Time now) {
  const std::vector<const Channel*> full = FullChannels(context);
  core::Time next = core::kNever;
  for (const SyncRuntime* sync : context.awake) {
    const IndexState& index = sync->index;
    if (!MayAsk(*sync) || IsAsking(*sync)) continue;
    if (std::find(full.begin(), full.end(), sync->channel) != full.end()) continue;
    if (!sync->channel->connected()) {
      // While another sync's probe is under way this comes to nothing: not in a busy loop.
      next = std::min(next, std::max(sync->channel->NextProbe(now), now + kIndexRetry));
      continue;
    }
    if (index.step == IndexStep::kReady) next = std::min(next, index.next_check);
    if (index.step == IndexStep::kReady && sync->versions.Unconfirmed())
      next = std::min(next, sync->versions.retry_at);
    if (index.step == IndexStep::kUnavailable) next = std::min(next, index.retry_at);
  }
  return next;
}

}  // namespace polyglot::pg
