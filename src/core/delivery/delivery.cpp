#include "core/delivery/delivery.h"

#include <algorithm>
#include <utility>

#include "core/delivery/delivery_state.h"

namespace polyglot::core {

Delivery::Delivery(const DeliveryLimits& limits, std::uint64_t random_seed, const Dialect& dialect)
    : state_(std::make_unique<State>(limits, random_seed, dialect)) {}

Delivery::~Delivery() = default;

void Delivery::SetLimits(const DeliveryLimits& limits) {
  state_->limits = limits;
  state_->flow.SetLimits(limits.max_in_flight, limits.batch_bytes);
}

bool Delivery::HasRoom() const {
  return state_->lanes.bytes() < state_->limits.queued_bytes &&
         state_->lanes.operations() < state_->limits.queued_operations;
}

Delivery::Load Delivery::SlowLoad() const {
  Load load;
  for (const auto& [sync, record] : state_->isolation.records()) {
    if (!record.seen_slow) continue;
    load.bytes += state_->lanes.OutstandingBytes(sync);
    load.operations += state_->lanes.Outstanding(sync);
  }
  return load;
}

// A document that a server refuses for the time being, again and again because it is so large, must
// not keep the room of all others; several of them must not fill memory.
std::uint64_t Delivery::LargeBytes() const {
  constexpr std::uint64_t kTogether = 4;
  const Lanes& lanes = state_->lanes;
  if (lanes.large_operations() > kTogether) return 0;
  std::uint64_t bytes = lanes.large_bytes();
  for (const auto& [sync, record] : state_->isolation.records())
    if (record.seen_slow) bytes -= lanes.LargeBytes(sync);
  return bytes;
}

bool Delivery::HasRoom(std::int32_t sync) const {
  const State& s = *state_;
  const Load slow = SlowLoad();
  const Isolation::Record* own = s.isolation.Find(sync);
  if (own != nullptr && own->seen_slow)
    return HasRoom() && slow.bytes < s.limits.queued_bytes / 2 &&
           slow.operations < s.limits.queued_operations / 2;
  const std::uint64_t apart = slow.bytes + LargeBytes();
  return HasRoom() || (s.lanes.bytes() - apart < s.limits.queued_bytes / 4 &&
                       s.lanes.operations() - slow.operations < s.limits.queued_operations / 4);
}

std::uint64_t Delivery::PromptOperations() const {
  return state_->lanes.operations() - SlowLoad().operations;
}

bool Delivery::Slow(std::int32_t sync) const {
  const Isolation::Record* record = state_->isolation.Find(sync);
  return record != nullptr && record->slow && state_->lanes.Outstanding(sync) > 0;
}

bool Delivery::Idle() const { return state_->lanes.operations() == 0; }
std::uint64_t Delivery::QueuedOperations() const { return state_->lanes.operations(); }
std::uint64_t Delivery::QueuedBytes() const { return state_->lanes.bytes(); }
std::uint32_t Delivery::InFlight() const { return state_->InFlight(); }

bool Delivery::Away() const { return state_->Away(); }

void Delivery::Submit(Operation operation, Time now) {
  const std::int32_t sync = operation.sync;
  state_->lanes.Submit(std::move(operation), now, &state_->finished);
  // The judgement outlives the parking of what it was about.
  if (state_->refusals.Condemned(sync)) state_->lanes.Probe(sync, now);
}

std::optional<BulkBatch> Delivery::NextBatch(Time now) {
  State& s = *state_;
  s.NoteLate(now);
  if (now < s.paused_until) return std::nullopt;
  s.lanes.Promote(now);
  std::optional<Batch> batch = s.NextRetry(now);
  if (!batch) batch = s.NextShared(now);
  if (!batch) batch = s.NextApart(now);
  if (!batch) return std::nullopt;
  return s.Start(std::move(*batch), now);
}

void Delivery::HoldSync(std::int32_t sync, bool hold) { state_->lanes.Hold(sync, hold); }

void Delivery::Complete(std::uint64_t batch_id, const Reply& reply, Time now) {
  State& s = *state_;
  const auto it = s.in_flight.find(batch_id);
  if (it == s.in_flight.end()) return;
  Batch batch = std::move(it->second);
  s.in_flight.erase(it);
  if (batch.abandoned) return s.TakeLateAnswer(reply, now);
  RequestVerdict verdict = s.dialect.JudgeRequest(reply);
  if (verdict.action == RequestAction::kItems) {
    std::vector<SentItem> sent;
    sent.reserve(batch.items.size());
    for (const BatchItem& item : batch.items)
      sent.push_back({item.pending->operation.kind, item.pending->operation.index.get()});
    auto judged = s.dialect.JudgeItems(reply, sent, &verdict);
    if (judged) return s.ApplyItems(std::move(batch), std::move(*judged), reply.latency, now);
  }
  s.ApplyVerdict(std::move(batch), reply, verdict, now);
}

void Delivery::Witness(bool taken, Time now) {
  if (taken) return state_->pressure.Taken(Pressure::kAny, now);
  state_->pressure.Refused(1, now);
}

Time Delivery::NextDeadline(Time) const {
  const State& s = *state_;
  const Time deadline = std::min({s.RetryDue(), s.SharedDue(), s.ApartDue(), s.lanes.NextDue()});
  return std::min(std::max(deadline, s.paused_until), s.LateDue());
}

void Delivery::ResetBackoff(Time now) {
  State& s = *state_;
  s.paused_until = Time{0};
  s.server_error.clear();  // if this was in vain, it is news
  s.lanes.ResetBackoff(now);
  s.RetryAllNow(true, now);
}

std::vector<Finished> Delivery::TakeFinished() { return std::exchange(state_->finished, {}); }
std::vector<DeliveryEvent> Delivery::TakeEvents() { return std::exchange(state_->events, {}); }

std::vector<Operation> Delivery::Withdraw(std::int32_t sync, std::uint64_t below) {
  State& s = *state_;
  // What waits as a whole request goes back to its lanes first, other syncs' operations included.
  for (auto it = s.retries.begin(); it != s.retries.end();) {
    const auto& syncs = it->second.syncs;
    if (std::find(syncs.begin(), syncs.end(), sync) == syncs.end()) {
      ++it;
      continue;
    }
    s.Dissolve(std::move(it->second), it->first, Time{0});
    it = s.retries.erase(it);
  }
  return s.lanes.Withdraw(sync, below);
}

bool Delivery::AnyInFlight(std::int32_t sync, std::uint64_t below) const {
  for (const auto& [id, batch] : state_->in_flight) {
    for (const BatchItem& item : batch.items)
      if (item.pending->operation.sync == sync && item.pending->operation.version < below)
        return true;
    for (const Trace& trace : batch.traces)
      if (trace.sync == sync && trace.version < below) return true;
  }
  return false;
}

void Delivery::Forget(std::int32_t sync) {
  state_->refusals.Forget(sync);
  state_->isolation.Forget(sync);
  state_->pressure.Forget(sync);
  state_->lanes.SetApart(sync, false);
  for (auto& [id, batch] : state_->in_flight)
    for (BatchItem& item : batch.items) item.gone |= item.pending->operation.sync == sync;
}

bool Delivery::AnyInFlightTo(std::string_view index) const {
  for (const auto& [id, batch] : state_->in_flight) {
    for (const BatchItem& item : batch.items)
      if (*item.pending->operation.index == index) return true;
    for (const Trace& trace : batch.traces)
      if (*trace.index == index) return true;
  }
  return false;
}

std::uint64_t Delivery::Outstanding(std::int32_t sync) const {
  return state_->lanes.Outstanding(sync);
}

}  // namespace polyglot::core
