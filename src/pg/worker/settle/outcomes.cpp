#include "pg/worker/settle/outcomes.h"

#include <iterator>
#include <utility>

#include "core/text.h"
#include "pg/catalog/dead_letters.h"
#include "pg/clock.h"
#include "pg/shared/sync_slots.h"
#include "pg/worker/search/index_condition.h"
#include "pg/worker/search/index_keeper.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/state/withdraw.h"

namespace polyglot::pg {
namespace {

// What of the finished operations of one sync must be durable before they are settled.
struct ToWrite {
  std::vector<DeadLetter> dead;
  std::vector<const core::Operation*> unpark, acknowledged;
  bool Any() const { return !dead.empty() || !unpark.empty() || !acknowledged.empty(); }
  bool written = true;  // false: somebody's open transaction is in the way
};

void Count(pg_atomic_uint64* counter, std::uint64_t by = 1) {
  pg_atomic_write_u64(counter, pg_atomic_read_u64(counter) + by);  // one writer: this worker
}

// Where both routings of a document that has moved fall on one shard, the delete finds the document
// that went before it. That is meant.
bool MeantToLose(const core::Finished& finished) {
  return finished.operation.former && finished.outcome == core::FinalOutcome::kStale;
}

void CountOutcome(SyncRuntime* sync, const core::Finished& finished) {
  if (sync->slot == nullptr || MeantToLose(finished)) return;
  SyncCounters& counters = sync->slot->counters;
  switch (finished.outcome) {
    case core::FinalOutcome::kOk:
      Count(finished.operation.kind == core::OperationKind::kIndex ? &counters.delivered
                                                                   : &counters.deleted);
      break;
    case core::FinalOutcome::kStale:
      Count(&counters.stale);
      break;
    case core::FinalOutcome::kDead:
      Count(&counters.dead_letters);
      break;
    case core::FinalOutcome::kReplaced:
    case core::FinalOutcome::kReturned:
      break;
  }
}

// After a restart stale answers are what replays get; later on they say that somebody else writes
// into the index, or that its versions are ahead of ours.
void NoteStale(SyncRuntime* sync, const core::Finished& finished) {
  constexpr std::uint64_t kItems = 1000;
  if (finished.outcome == core::FinalOutcome::kReplaced || MeantToLose(finished)) return;
  auto& share = sync->stale_share;
  share.stale += finished.outcome == core::FinalOutcome::kStale ? 1 : 0;
  if (++share.answered < kItems) return;
  const bool high = 2 * share.stale > kItems;
  if (high && !share.high)
    ereport(WARNING, (errmsg("polyglot_sync: more than half of what sync \"%s\" sends is stale",
                             sync->name.c_str()),
                      errhint("Does something else write into its index?")));
  share = {0, 0, high};
}

void Collect(SyncRuntime* sync, const core::Finished& finished, ToWrite* write) {
  const core::Operation* op = &finished.operation;
  if (finished.outcome == core::FinalOutcome::kReplaced) return;
  if (finished.outcome == core::FinalOutcome::kDead) {
    write->dead.push_back({op, finished.status, finished.error_type, finished.error_reason});
    sync->may_have_dead_letters = true;
  } else if (sync->may_have_dead_letters) {
    write->acknowledged.push_back(op);
  }
  if (op->tickets.probe != 0) write->unpark.push_back(op);
}

// Dead letters of a sync that is being dropped would stay for good.
void Write(SyncRuntime* sync, ToWrite* write) {
  write->written =
      write->dead.empty() || (LockState(sync) && WriteDeadLetters(sync->id, write->dead));
  if (write->written && sync->routing_att != 0)
    write->written = ParkFormerRoutings(sync, write->acknowledged);
  if (!write->written) return;
  ClearDeadLetters(sync->id, write->acknowledged);
  UnparkKeys(sync, write->unpark);
  if (!write->acknowledged.empty()) sync->may_have_dead_letters = HasDeadLetters(sync->id);
}

void WriteAll(WorkerContext* context, std::map<std::int32_t, ToWrite>* writes) {
  bool any = false;
  for (const auto& [id, write] : *writes) any |= write.Any();
  if (!any) return;
  InTransaction([&] {
    for (auto& [id, write] : *writes)
      if (write.Any()) Write(context->Find(id), &write);
  });
}

void Release(WorkerContext* context, const core::Finished& finished) {
  const core::Operation& op = finished.operation;
  if (finished.outcome == core::FinalOutcome::kReplaced) {
    core::Tickets successor = finished.successor;
    context->settlement.Replace(op.sync, &successor, op.tickets);
  } else {
    context->settlement.Release(op.sync, op.tickets);
  }
}

// A delete that found nothing may have gone into an index that is lost: it waits for the check.
void Arrive(WorkerContext* context, std::vector<core::Finished>* arrived,
            std::vector<core::Finished>* settled) {
  const bool replays = MonotonicNow() - context->started_at < 2 * context->request_timeout;
  settled->reserve(settled->size() + arrived->size());
  for (core::Finished& finished : *arrived) {
    SyncRuntime* sync = context->Find(finished.operation.sync);
    if (sync == nullptr) continue;  // dropped meanwhile
    if (finished.outcome == core::FinalOutcome::kReturned) {
      TakeBack(context, sync, std::move(finished.operation));
      continue;
    }
    CountOutcome(sync, finished);
    if (finished.outcome == core::FinalOutcome::kDead) {
      sync->rebuild.fewest--;
      core::ShortenDocument(&finished.operation.body, kLetterDocument);
    }
    if (!replays) NoteStale(sync, finished);
    if (sync->probing && finished.outcome != core::FinalOutcome::kReplaced) Unblock(sync);
    if (finished.not_found) {
      sync->unconfirmed.waiting.push_back(std::move(finished));
      CheckSoon(sync);
    } else if (!sync->unconfirmed.confirmed.empty()) {
      sync->unconfirmed.confirmed.push_back(std::move(finished));  // not before those
    } else {
      settled->push_back(std::move(finished));
    }
  }
}

void TakeConfirmed(WorkerContext* context, std::vector<core::Finished>* settled) {
  const core::Time now = MonotonicNow();
  for (SyncRuntime* sync : context->awake) {
    if (now < sync->letters_at) continue;
    sync->letters_at = core::Time{0};
    std::vector<core::Finished>& confirmed = sync->unconfirmed.confirmed;
    std::move(confirmed.begin(), confirmed.end(), std::back_inserter(*settled));
    confirmed.clear();
  }
}

// All outcomes of a sync wait for the dead letters that cannot be written now: a newer one would
// clear what is not there yet.
void SettleLater(SyncRuntime* sync, core::Finished&& finished) {
  constexpr core::Time kRetry{500'000};
  sync->letters_at = MonotonicNow() + kRetry;
  if (finished.outcome != core::FinalOutcome::kDead) finished.operation.body = std::string();
  sync->unconfirmed.confirmed.push_back(std::move(finished));
}

void Settle(WorkerContext* context, std::vector<core::Finished>* settled) {
  std::map<std::int32_t, ToWrite> writes;
  for (const core::Finished& finished : *settled) {
    SyncRuntime* sync = context->Find(finished.operation.sync);
    Collect(sync, finished, &writes[sync->id]);
  }
  WriteAll(context, &writes);
  const TimestampTz now = GetCurrentTimestamp();
  for (core::Finished& finished : *settled) {
    SyncRuntime* sync = context->Find(finished.operation.sync);
    if (!writes[sync->id].written) {
      SettleLater(sync, std::move(finished));
      continue;
    }
    Release(context, finished);
    if (finished.outcome != core::FinalOutcome::kReplaced && sync->slot != nullptr)
      pg_atomic_write_u64(&sync->slot->last_success, static_cast<uint64>(now));
  }
}

void TakeChannel(WorkerContext* context, Channel* channel, std::vector<core::Finished>* settled) {
  std::vector<core::Finished> arrived = channel->delivery().TakeFinished();
  for (const core::Finished& finished : arrived) {
    // One operation may have been taken while the server gives another one no usable answer.
    if (finished.outcome == core::FinalOutcome::kReplaced ||
        finished.outcome == core::FinalOutcome::kReturned || channel->delivery().Away())
      continue;
    channel->set_state(true, false, MonotonicNow());
    channel->Delivered();
    break;
  }
  Arrive(context, &arrived, settled);
}

void NoteError(WorkerContext* context, Channel* channel, const core::DeliveryEvent& event) {
  for (auto& [id, sync] : context->syncs) {
    if (sync->channel != channel || (event.sync != 0 && event.sync != id)) continue;
    if (event.sync == id) sync->why = event.error;
    SetSyncError(sync->slot, event.error.c_str());
  }
}

void TakeEvent(WorkerContext* context, Channel* channel, const core::DeliveryEvent& event,
               core::Time now) {
  using Kind = core::DeliveryEvent::Kind;
  SyncRuntime* sync = context->Find(event.sync);
  if (sync != nullptr && sync->channel != channel) return;  // it goes on elsewhere
  switch (event.kind) {
    case Kind::kConnected:
      channel->set_state(true, false, now);
      channel->Delivered();
      break;
    case Kind::kDisconnected:
    case Kind::kDenied:
      channel->DeliveryFailed(event.kind == Kind::kDenied, now);
      channel->why = event.error;
      NoteError(context, channel, event);
      CheckBeforeNextWrite(context, channel);
      break;
    case Kind::kBlocked:
      NoteError(context, channel, event);
      if (sync != nullptr) Block(sync, now);
      break;
    case Kind::kIndexMissing:
      NoteError(context, channel, event);
      if (sync != nullptr) {
        sync->index.check_before_write = true;
        channel->delivery().HoldSync(sync->id, true);
      }
      break;
    case Kind::kSlow:
      NoteError(context, channel, event);
      break;
    case Kind::kRetried:
      if (sync != nullptr && sync->slot != nullptr)
        Count(&sync->slot->counters.retried, event.count);
      break;
  }
}

}  // namespace

bool SettleOutcomes(WorkerContext* context) {
  std::vector<core::Finished> settled;
  for (auto& channel : context->channels) TakeChannel(context, channel.get(), &settled);
  TakeConfirmed(context, &settled);
  if (settled.empty()) return false;
  Settle(context, &settled);
  return true;
}

void TakeDeliveryEvents(WorkerContext* context, core::Time now) {
  for (auto& channel : context->channels)
    for (const core::DeliveryEvent& event : channel->delivery().TakeEvents())
      TakeEvent(context, channel.get(), event, now);
}

}  // namespace polyglot::pg
