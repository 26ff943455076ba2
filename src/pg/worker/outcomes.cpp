#include "pg/worker/outcomes.h"

#include "pg/worker/index_keeper.h"
#include "pg/worker/records.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kBlockedRetry{30'000'000};

// What of the finished operations of one sync must be durable before they are settled.
struct ToWrite {
  std::vector<DeadLetter> dead;
  std::vector<const core::Operation*> unpark, acknowledged;
  bool Any() const { return !dead.empty() || !unpark.empty() || !acknowledged.empty(); }
};

void Count(pg_atomic_uint64* counter, std::uint64_t by = 1) {
  pg_atomic_write_u64(counter, pg_atomic_read_u64(counter) + by);  // one writer: this worker
}

void CountOutcome(SyncRuntime* sync, const core::Finished& finished) {
  if (sync->slot == nullptr) return;
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
      break;
  }
}

void Collect(SyncRuntime* sync, const core::Finished& finished, ToWrite* write) {
  const core::Operation* op = &finished.operation;
  if (finished.outcome == core::FinalOutcome::kReplaced) return;
  if (finished.outcome == core::FinalOutcome::kDead) {
    write->dead.push_back({op, finished.http_status, finished.error_type, finished.error_reason});
    sync->may_have_dead_letters = true;
  } else if (sync->may_have_dead_letters) {
    write->acknowledged.push_back(op);
  }
  if (op->tickets.probe != 0) write->unpark.push_back(op);
}

void Write(std::int32_t sync, const ToWrite& write) {
  WriteDeadLetters(sync, write.dead);
  ClearDeadLetters(sync, write.acknowledged);
  UnparkKeys(sync, write.unpark);
}

void WriteAll(WorkerContext* context, std::map<std::int32_t, ToWrite>* writes) {
  bool any = false;
  for (const auto& [id, write] : *writes) any |= write.Any();
  if (!any) return;
  InTransaction([&] {
    for (const auto& [id, write] : *writes) {
      if (!write.Any()) continue;
      Write(id, write);
      SyncRuntime* sync = context->Find(id);
      if (!write.acknowledged.empty()) sync->may_have_dead_letters = HasDeadLetters(id);
      if (!write.unpark.empty()) CountParked(id, &sync->parked.count, &sync->parked.oldest);
    }
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

void SettleChannel(WorkerContext* context, Channel* channel, bool* any) {
  const std::vector<core::Finished> all = channel->delivery().TakeFinished();
  if (all.empty()) return;
  *any = true;
  std::map<std::int32_t, ToWrite> writes;
  bool acknowledged = false;
  for (const core::Finished& finished : all) {
    SyncRuntime* sync = context->Find(finished.operation.sync);
    if (sync == nullptr) continue;  // dropped meanwhile
    CountOutcome(sync, finished);
    Collect(sync, finished, &writes[sync->id]);
    if (finished.not_found) CheckIndexSoon(sync);
    acknowledged |= finished.outcome != core::FinalOutcome::kReplaced;
  }
  WriteAll(context, &writes);
  const TimestampTz now = GetCurrentTimestamp();
  for (const core::Finished& finished : all) {
    SyncRuntime* sync = context->Find(finished.operation.sync);
    if (sync == nullptr) continue;
    Release(context, finished);
    if (acknowledged && sync->slot != nullptr)
      pg_atomic_write_u64(&sync->slot->last_success, static_cast<uint64>(now));
  }
  if (acknowledged) channel->set_state(true, false);
}

void NoteError(WorkerContext* context, Channel* channel, const core::DeliveryEvent& event) {
  for (auto& [id, sync] : context->syncs)
    if (sync->channel == channel && (event.sync == 0 || event.sync == id))
      SetSyncError(sync->slot, event.error.c_str());
}

void TakeEvent(WorkerContext* context, Channel* channel, const core::DeliveryEvent& event,
               core::Time now) {
  using Kind = core::DeliveryEvent::Kind;
  SyncRuntime* sync = context->Find(event.sync);
  switch (event.kind) {
    case Kind::kConnected:
      channel->set_state(true, false);
      break;
    case Kind::kDisconnected:
    case Kind::kDenied:
      channel->set_state(false, event.kind == Kind::kDenied);
      NoteError(context, channel, event);
      CheckBeforeNextWrite(context, channel);
      break;
    case Kind::kBlocked:
      NoteError(context, channel, event);
      if (sync != nullptr) {
        sync->blocked = true;
        sync->blocked_until = now + kBlockedRetry;
      }
      break;
    case Kind::kIndexMissing:
      NoteError(context, channel, event);
      if (sync != nullptr) {
        sync->index.check_before_write = true;
        channel->delivery().HoldSync(sync->id, true);
      }
      break;
    case Kind::kRetried:
      if (sync != nullptr && sync->slot != nullptr)
        Count(&sync->slot->counters.retried, event.count);
      break;
  }
}

}  // namespace

bool SettleOutcomes(WorkerContext* context) {
  bool any = false;
  for (auto& channel : context->channels) SettleChannel(context, channel.get(), &any);
  return any;
}

void TakeDeliveryEvents(WorkerContext* context, core::Time now) {
  for (auto& channel : context->channels)
    for (const core::DeliveryEvent& event : channel->delivery().TakeEvents())
      TakeEvent(context, channel.get(), event, now);
}

}  // namespace polyglot::pg
