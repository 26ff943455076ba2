// How Delivery reacts to answers; what an answer means is decided by the Dialect.

#include <algorithm>
#include <utility>

#include "core/delivery/delivery_state.h"

namespace polyglot::core {
namespace {

constexpr BackoffPolicy kItemBackoff{.base = Time{100'000}, .cap = Time{30'000'000}};
constexpr BackoffPolicy kServerBackoff{.base = Time{200'000}, .cap = Time{30'000'000}};
constexpr BackoffPolicy kBlockBackoff{.base = Time{1'000'000}, .cap = Time{60'000'000}};

constexpr std::uint32_t kShardTries = 5;    // "shard is away" so often: its index counts as blocked
constexpr std::uint32_t kLoneRefusals = 8;  // that many single refusals in a row blame the request
constexpr std::uint32_t kCutTries = 3;      // connections lost under large requests in a row
constexpr std::size_t kLargeBody = 1u << 20;

}  // namespace

// Requests.

void Delivery::State::RetryAllNow(bool suspects, Time now) {
  std::multimap<Time, Batch> due;
  while (!retries.empty()) {
    auto node = retries.extract(retries.begin());
    if (suspects || node.mapped().suspects == 0) node.key() = std::min(node.key(), now);
    due.insert(std::move(node));
  }
  retries = std::move(due);
}

// The body holds all of its operations, so a batch that loses some is made anew.
void Delivery::State::Again(Batch batch, Time due) {
  const bool whole = std::none_of(batch.items.begin(), batch.items.end(),
                                  [](const BatchItem& item) { return item.gone; });
  if (!whole) return Dissolve(std::move(batch), due, Time{0});
  retries.emplace(due, std::move(batch));
}

void Delivery::State::Dissolve(Batch batch, Time due, Time now) {
  for (BatchItem& item : batch.items) ReturnItem(&batch, &item, due, now);
}

// Items.

void Delivery::State::ApplyItems(Batch batch, std::vector<ItemJudgement> answers, Time latency,
                                 Time now) {
  Tally tally;
  tally.waited = latency >= kSlowAfter;
  if (batch.body->size() > kLargeBody) large_lost = 0;
  finished.reserve(finished.size() + batch.items.size());
  for (std::size_t i = 0; i < batch.items.size(); ++i)
    ApplyItem(&batch, &batch.items[i], std::move(answers[i]), &tally, now);
  for (std::int32_t sync : batch.syncs)
    if (isolation.Answered(sync, latency, now)) lanes.SetApart(sync, false);
  Regulate(batch, tally, latency, now);
  Conclude(tally, now);
}

// What one index is at fault for is no reason to ask less of the server.
void Delivery::State::Regulate(const Batch& batch, const Tally& tally, Time latency, Time now) {
  // One rejected item among hundreds is noise; from one in a hundred on the server is full.
  const bool full = tally.back_pressure * 100 >= batch.items.size() && tally.back_pressure > 0;
  if (full && tally.rejected.size() < batch.syncs.size()) SetApart(tally.rejected);
  const bool own = batch.syncs.size() == 1 && OthersInTime(batch, now);
  const bool partly = tally.rejected.size() < batch.syncs.size();
  if (full && !own && !partly) flow.BackPressure(batch.round);
  if (tally.smaller) flow.TooLarge(batch.body->size());
  if (own && latency >= kLateAfter) return;
  const bool slow = flow.IsSlow(batch.body->size(), latency);
  if (slow && !full) flow.BackPressure(batch.round);
  if (!full && !slow && !tally.smaller) flow.Clean(batch.at_limit);
}

void Delivery::State::ApplyItem(Batch* batch, BatchItem* item, ItemJudgement answer, Tally* tally,
                                Time now) {
  const ItemVerdict& verdict = answer.verdict;
  const std::int32_t sync = item->pending->operation.sync;
  ItemAction action = verdict.action;
  if (action == ItemAction::kRetryLimited && ++item->pending->refusals >= kLimitedTries)
    action = ItemAction::kDead;
  if (action == ItemAction::kAlone && batch->items.size() == 1) action = ItemAction::kDead;
  if (verdict.unavailable && (++item->pending->unavailable >= kShardTries || tally->waited))
    action = ItemAction::kBlocked;
  const bool ended =
      action == ItemAction::kOk || action == ItemAction::kStale || action == ItemAction::kDead;
  if (item->gone && !ended) return ReturnItem(batch, item, now, now);
  if (action != ItemAction::kOk && action != ItemAction::kStale)
    ++item->pending->operation.attempts;
  tally->smaller = tally->smaller || verdict.smaller;
  if (verdict.back_pressure) {
    if (TooLargeForGood(batch, item, false, verdict.for_memory, now)) {
      answer.reason = TooLargeText(*item->pending, answer.reason);
      action = ItemAction::kDead;
    }
    ++tally->back_pressure;
    if (std::find(tally->rejected.begin(), tally->rejected.end(), sync) == tally->rejected.end())
      tally->rejected.push_back(sync);
  }
  switch (action) {
    case ItemAction::kOk:
    case ItemAction::kStale:
      refusals.Accepted(sync);
      if (tally->succeeded.empty() || tally->succeeded.back() != sync)
        tally->succeeded.push_back(sync);
      return FinishItem(item, action == ItemAction::kOk ? FinalOutcome::kOk : FinalOutcome::kStale,
                        answer.status, verdict.not_found, now);
    case ItemAction::kDead: {
      std::optional<std::string> why;
      Refuse(batch, item, std::move(answer), verdict.field_limit, &why, now);
      if (why) tally->blocked.try_emplace(sync, std::move(*why));
      return;
    }
    case ItemAction::kBlocked:
      tally->blocked.try_emplace(sync, dialect.Shown(answer.type, answer.reason));
      return ReturnItem(batch, item, now, now);
    case ItemAction::kIndexMissing:
      tally->missing.try_emplace(sync, dialect.Shown(answer.type, answer.reason));
      return ReturnItem(batch, item, now, now);
    case ItemAction::kAlone:
      item->pending->alone = true;
      ++tally->retried[sync];
      return ReturnItem(batch, item, now, now);
    case ItemAction::kRetry:
    case ItemAction::kRetryLimited:
      // One moment for all items of the answer: they travel together again.
      if (tally->due == Time{0})
        tally->due = now + FullJitter(kItemBackoff, item->pending->retries, &random);
      ++item->pending->retries;
      ++tally->retried[sync];
      return ReturnItem(batch, item, tally->due, now);
  }
}

void Delivery::State::ReturnItem(Batch* batch, BatchItem* item, Time due, Time now) {
  RestoreDocument(*batch, item);
  if (item->gone) return FinishItem(item, FinalOutcome::kReturned, 0, false, now);
  lanes.Return(item->lane, std::move(item->pending), due, now, &finished);
}

void Delivery::State::FinishItem(BatchItem* item, FinalOutcome outcome, int status, bool not_found,
                                 Time now) {
  Finished& f = finished.emplace_back();
  f.operation = lanes.Finish(item->lane, std::move(item->pending), now);
  f.outcome = outcome;
  f.status = status;
  f.not_found = not_found;
}

void Delivery::State::Refuse(Batch* batch, BatchItem* item, ItemJudgement answer, bool field_limit,
                             std::optional<std::string>* why, Time now) {
  const std::string error = dialect.Shown(answer.type, answer.reason);
  *why = refusals.Refused(item->pending->operation.sync, error, field_limit);
  if (*why) return ReturnItem(batch, item, now, now);
  FinishDead(*batch, item, answer.status, std::move(answer.type), std::move(answer.reason), now);
}

void Delivery::State::FinishDead(const Batch& batch, BatchItem* item, int status, std::string type,
                                 std::string reason, Time now) {
  RestoreDocument(batch, item);
  FinishItem(item, FinalOutcome::kDead, status, false, now);
  finished.back().error_type = std::move(type);
  finished.back().error_reason = std::move(reason);
}

void Delivery::State::Conclude(const Tally& tally, Time now) {
  lone_refusals = 0;
  Connected(now);
  for (std::int32_t sync : tally.succeeded) pressure.Taken(sync, now);
  for (std::int32_t sync : tally.succeeded)
    if (!tally.blocked.contains(sync) && !tally.missing.contains(sync)) lanes.Unblock(sync);
  for (const auto& [sync, why] : tally.blocked)
    BlockSync(sync, DeliveryEvent::Kind::kBlocked, why, now);
  for (const auto& [sync, why] : tally.missing)
    BlockSync(sync, DeliveryEvent::Kind::kIndexMissing, why, now);
  for (const auto& [sync, count] : tally.retried)
    Emit(DeliveryEvent::Kind::kRetried, sync, {}, count);
}

void Delivery::State::BlockSync(std::int32_t sync, DeliveryEvent::Kind kind,
                                const std::string& error, Time now) {
  // Whatever is tried of it from now on says nothing about others, and must not hold them up.
  SetApart({sync});
  lanes.Block(sync, FullJitter(kBlockBackoff, lanes.Blocks(sync), &random), now);
  Emit(kind, sync, error, 0);
}

// Whole requests.

void Delivery::State::ApplyVerdict(Batch batch, const Reply& reply, const RequestVerdict& verdict,
                                   Time now) {
  for (BatchItem& item : batch.items) ++item.pending->operation.attempts;
  if (reply.transport_ok && verdict.back_pressure && BuryTooLarge(&batch, reply, verdict, now))
    return;
  if (verdict.action == RequestAction::kRetry && verdict.back_pressure && OnlyOne(batch, now))
    return RetryAlone(std::move(batch), reply, verdict, now);
  if (verdict.back_pressure) flow.BackPressure(batch.round);
  if (verdict.smaller) flow.TooLarge(batch.body->size());
  switch (verdict.action) {
    case RequestAction::kItems:
    case RequestAction::kRetry:
      if (reply.transport_ok) Connected(now);
      return RetryLater(std::move(batch), reply, verdict, now);
    case RequestAction::kUnreachable:
    case RequestAction::kMisrouted:
      return ServerAway(std::move(batch), reply, verdict, Server::kDisconnected, now);
    case RequestAction::kDenied:
      return ServerAway(std::move(batch), reply, verdict, Server::kDenied, now);
    case RequestAction::kSuspect:
      return Suspect(std::move(batch), reply, verdict, now);
    case RequestAction::kSplit:
    case RequestAction::kSplitBytes:
      return SplitOrBury(std::move(batch), reply, verdict, now);
    case RequestAction::kBlocked:
      Connected(now);
      for (std::int32_t sync : batch.syncs)
        BlockSync(sync, DeliveryEvent::Kind::kBlocked, dialect.Describe(reply, verdict), now);
      return Dissolve(std::move(batch), now, now);
  }
}

void Delivery::State::RetryLater(Batch batch, const Reply& reply, const RequestVerdict& verdict,
                                 Time now) {
  const Time delay = FullJitter(kRequestBackoff, batch.attempts++, &random);
  const Time due = now + std::max(delay, reply.retry_after);
  if (reply.retry_after > Time{0}) paused_until = std::max(paused_until, now + reply.retry_after);
  if (WasSent(reply)) CountRetried(batch);
  if (verdict.full) ++batch.rejections;
  if (IsTooMuch(batch) && batch.body->size() > kSmallBody) flow.TooLarge(batch.body->size());
  AgainInParts(std::move(batch), due);
}

// Room that is lacking again and again is room that the server does not have for so much at once.
// It counts more than the bytes of a request: many small operations take more room than that.
bool Delivery::State::IsTooMuch(const Batch& batch) {
  const std::uint32_t tries =
      batch.body->size() > kSmallBody ? kRejectedTries : kSmallRejectedTries;
  return batch.rejections >= tries && batch.items.size() > 1;
}

void Delivery::State::AgainInParts(Batch batch, Time due) {
  if (!IsTooMuch(batch)) return Again(std::move(batch), due);
  // The halves have better chances, but a server that is full may not be asked faster and faster.
  batch.attempts = std::min(batch.attempts, kRejectedTries);
  Split(std::move(batch), true, due);
}

// It may be one of its indexes that makes requests get lost, when others were answered a moment
// ago, or when the connection was cut under a request: what is sent of each sync by itself will
// tell.
bool Delivery::State::FindOut(Batch* batch, const Reply& reply, Time now) {
  const bool cut = !reply.transport_ok && WasSent(reply) && !reply.timed_out &&
                   !reply.out_of_memory && server == Server::kConnected;
  if (batch->syncs.size() > 1) {
    if (!cut && !(WasSent(reply) && isolation.AnsweredAfter(now - kSlowAfter))) return false;
    CountRetried(*batch);
    Isolate(std::move(*batch), now, now);
    return true;
  }
  if (!cut || !OthersUnderWay(*batch, now)) return false;
  CountRetried(*batch);
  const Time delay = FullJitter(kRequestBackoff, batch->attempts++, &random);
  Again(std::move(*batch), now + delay);
  return true;
}

bool Delivery::State::OthersUnderWay(const Batch& batch, Time now) const {
  return std::any_of(in_flight.begin(), in_flight.end(), [&](const auto& entry) {
    const Batch& other = entry.second;
    return !other.abandoned && now - other.started < kLateAfter &&
           other.syncs.front() != batch.syncs.front();
  });
}

void Delivery::State::ServerAway(Batch batch, const Reply& reply, const RequestVerdict& verdict,
                                 Server why, Time now) {
  const std::string error = dialect.Describe(reply, verdict);
  if (why == Server::kDisconnected && IndexAway(&batch, reply, error, now)) return;
  if (why == Server::kDisconnected && FindOut(&batch, reply, now)) return;
  // One node of several is away: the next one gets the request, and the server is not away. The
  // node that failed is left alone for a while, so this cannot go on for ever.
  const bool elsewhere = why == Server::kDisconnected && reply.other_node && verdict.node_is_dead;
  if (!elsewhere) Lost(why, error);
  if (WasSent(reply)) CountRetried(batch);
  // Requests that were in flight together fail together: that is one failure, one pause.
  const bool together = now < paused_until;
  if (!elsewhere && !together) {
    const Time delay = FullJitter(kServerBackoff, failures++, &random);
    paused_until = now + delay;
  }
  paused_until = std::max(paused_until, now + reply.retry_after);
  // A server that is merely slow answers smaller requests in time.
  const bool slow = reply.timed_out && reply.may_have_been_sent;
  if (slow) {
    flow.BackPressure(batch.round);
    flow.TimedOut(batch.body->size());
  }
  // A proxy that cuts large requests without a word looks like a server that is away.
  const bool lost = !reply.transport_ok && reply.may_have_been_sent &&
                    batch.body->size() > kLargeBody && !together;
  const bool cut = slow ? batch.body->size() > kSmallBody : lost && ++large_lost >= kCutTries;
  const Time due = elsewhere ? now : paused_until;
  if (cut && !slow) {
    large_lost = 0;
    flow.TooLarge(batch.body->size());
  }
  if (batch.syncs.size() > 1 && WasSent(reply)) return Isolate(std::move(batch), due, now);
  if (cut && batch.items.size() > 1) return Split(std::move(batch), true, due);
  // Those that are apart take turns: whose request was lost goes behind the others.
  if (batch.apart) return Dissolve(std::move(batch), due, now);
  Again(std::move(batch), due);
}

void Delivery::State::Suspect(Batch batch, const Reply& reply, const RequestVerdict& verdict,
                              Time now) {
  if (batch.syncs.size() > 1) {
    CountRetried(batch);
    return Isolate(std::move(batch), now + FullJitter(kRequestBackoff, 0, &random), now);
  }
  if (++batch.suspects < verdict.tries) return RetryLater(std::move(batch), reply, verdict, now);
  if (batch.items.size() == 1) {
    // Not provably the operation's fault: never a dead letter. It waits by itself, the rest goes
    // on.
    batch.items.front().pending->alone = true;
    Lost(Server::kDisconnected, dialect.Describe(reply, verdict));
    return RetryLater(std::move(batch), reply, verdict, now);
  }
  // The halves inherit the suspicion: one more such answer halves them again.
  batch.suspects = verdict.tries - 1;
  CountRetried(batch);
  Split(std::move(batch), false, now);
}

void Delivery::State::SplitOrBury(Batch batch, const Reply& reply, const RequestVerdict& verdict,
                                  Time now) {
  const bool by_bytes = verdict.action == RequestAction::kSplitBytes;
  if (batch.items.size() > 1) {
    CountRetried(batch);
    return Split(std::move(batch), by_bytes, now);
  }
  if (verdict.type != lone_type) lone_refusals = 0;
  lone_type = verdict.type;
  const bool request_is_wrong =
      !by_bytes &&
      (dialect.BlamesTheRequest(verdict.type, verdict.reason) || ++lone_refusals >= kLoneRefusals);
  if (request_is_wrong)
    return ServerAway(std::move(batch), reply, verdict, Server::kDisconnected, now);
  ItemJudgement refusal{
      .verdict = {}, .status = reply.status, .type = verdict.type, .reason = verdict.reason};
  if (refusal.reason.empty())
    refusal.reason = by_bytes ? "the request is too large" : "the request was refused";
  Connected(now);
  const std::int32_t sync = batch.syncs.front();
  std::optional<std::string> why;
  Refuse(&batch, &batch.items.front(), std::move(refusal), false, &why, now);
  if (why) BlockSync(sync, DeliveryEvent::Kind::kBlocked, *why, now);
}

void Delivery::State::Split(Batch batch, bool by_bytes, Time due) {
  auto [first, second] = SplitBatch(std::move(batch), by_bytes);
  Again(std::move(first), due);
  Again(std::move(second), due);
}

void Delivery::State::CountRetried(const Batch& batch) {
  std::map<std::int32_t, std::uint64_t> counts;
  for (const BatchItem& item : batch.items) ++counts[item.pending->operation.sync];
  for (const auto& [sync, count] : counts) Emit(DeliveryEvent::Kind::kRetried, sync, {}, count);
}

// The server.

void Delivery::State::Connected(Time now) {
  failures = 0;
  if (server == Server::kConnected) return;
  const bool was_away = server != Server::kUnknown;
  server = Server::kConnected;
  server_error.clear();
  Emit(DeliveryEvent::Kind::kConnected, 0, {}, 0);
  if (!was_away) return;
  paused_until = Time{0};
  RetryAllNow(false, now);
}

void Delivery::State::Lost(Server why, const std::string& error) {
  if (server == why && server_error == error) return;
  server = why;
  server_error = error;
  Emit(why == Server::kDenied ? DeliveryEvent::Kind::kDenied : DeliveryEvent::Kind::kDisconnected,
       0, error, 0);
}

void Delivery::State::Emit(DeliveryEvent::Kind kind, std::int32_t sync, std::string error,
                           std::uint64_t count) {
  events.push_back({.kind = kind, .sync = sync, .error = std::move(error), .count = count});
}

}  // namespace polyglot::core
