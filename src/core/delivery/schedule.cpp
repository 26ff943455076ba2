// Which request of Delivery goes next. There are two classes. What may share requests has
// max_in_flight of them; syncs that are set apart (isolation.h) or blocked come on top, each with
// one at least. So none of them takes a place that another sync waits for.

#include <algorithm>
#include <limits>
#include <utility>

#include "core/delivery/delivery_state.h"

namespace polyglot::core {
namespace {

constexpr std::uint32_t kLingerDoublings = 8;
constexpr std::uint32_t kBlameTries = 3;  // so many requests of one index lost, others were not

}  // namespace

std::uint32_t Delivery::State::Allowed() const { return Away() ? 1 : flow.Concurrency(); }

std::uint32_t Delivery::State::AllowedApart() const {
  return Away() ? 1 : std::max(kMostApart, flow.Concurrency());
}

Delivery::State::Flying Delivery::State::Fly(std::int32_t sync) const {
  Flying flying;
  for (const auto& [id, batch] : in_flight) {
    if (batch.abandoned) {
      ++flying.abandoned;
    } else if (batch.apart) {
      ++flying.apart;
      flying.own += batch.syncs.front() == sync ? 1 : 0;
    } else {
      ++flying.shared;
    }
  }
  return flying;
}

bool Delivery::State::MaySend(std::int32_t apart) const {
  const Flying flying = Fly(apart);
  if (apart == kShared) return flying.shared < Allowed();
  return flying.apart < AllowedApart() && (flying.own == 0 || flying.apart < Allowed());
}

BulkBatch Delivery::State::Start(Batch batch, Time now) {
  batch.apart = batch.syncs.size() == 1 && lanes.Apart(batch.syncs.front());
  batch.started = now;
  batch.late = batch.slow = false;
  batch.round = flow.Round();
  const Flying flying = Fly(kShared);
  batch.at_limit = (batch.apart ? flying.apart : flying.shared) + 1 >= Allowed();
  const std::int32_t sync = batch.syncs.front();
  Isolation::Record* record = isolation.Find(sync);
  if (batch.apart && record != nullptr) record->turn = last_batch + 1;
  const bool doubtful = batch.apart || batch.syncs.size() > 1;
  BulkBatch out{.id = ++last_batch,
                .body = batch.body,
                .operations = static_cast<std::uint32_t>(batch.items.size()),
                .doubtful = doubtful};
  in_flight.emplace(out.id, std::move(batch));
  return out;
}

// A request that is to be sent again goes whole, unless one of its syncs may not be sent now, or
// not with others.
bool Delivery::State::MustDissolve(const Batch& batch) const {
  const bool several = batch.syncs.size() > 1;
  return std::any_of(batch.syncs.begin(), batch.syncs.end(), [&](std::int32_t sync) {
    return lanes.Held(sync) || lanes.Blocked(sync) || (several && lanes.Apart(sync));
  });
}

std::int32_t Delivery::State::ClassOf(const Batch& batch) const {
  const std::int32_t sync = batch.syncs.front();
  return lanes.Apart(sync) ? sync : kShared;
}

std::optional<Batch> Delivery::State::NextRetry(Time now) {
  for (auto it = retries.begin(); it != retries.end() && it->first <= now;) {
    const bool dissolve = MustDissolve(it->second);
    if (!dissolve && !MaySend(ClassOf(it->second))) {
      ++it;
      continue;
    }
    Batch batch = std::move(it->second);
    it = retries.erase(it);
    if (!dissolve) return batch;
    Dissolve(std::move(batch), now, now);
  }
  return std::nullopt;
}

Time Delivery::State::RetryDue() const {
  for (const auto& [due, batch] : retries)
    if (MustDissolve(batch) || MaySend(ClassOf(batch))) return due;
  return kNever;
}

Time Delivery::State::FreshDue(const ReadySurvey& survey, std::uint32_t flying) const {
  if (survey.alone) return survey.from;
  if (survey.operations == 0) return kNever;
  if (survey.bytes >= flow.BatchBytes() || survey.operations >= limits.batch_operations)
    return survey.from;
  // The more is under way, the longer a partial request waits for company: a trickle of changes
  // does not become a flood of tiny requests, and an idle server is used at once.
  const std::uint32_t doublings = std::min(flying, kLingerDoublings);
  return std::max(survey.from, survey.oldest + limits.linger * (1 << doublings));
}

Time Delivery::State::SharedDue() const {
  const Flying flying = Fly(kShared);
  return flying.shared < Allowed() ? FreshDue(lanes.Survey(), flying.shared) : kNever;
}

Time Delivery::State::ApartDue(const ReadySurvey& survey) const {
  if (!MaySend(survey.sync)) return kNever;
  return FreshDue(survey, Fly(survey.sync).own);
}

Time Delivery::State::ApartDue() const {
  Time due = kNever;
  for (const ReadySurvey& survey : lanes.SurveyApart()) due = std::min(due, ApartDue(survey));
  return due;
}

std::optional<Batch> Delivery::State::NextShared(Time now) {
  if (SharedDue() > now) return std::nullopt;
  std::vector<Taken> taken =
      lanes.Survey().alone
          ? lanes.TakeAlone(now)
          : lanes.Take(flow.BatchBytes(), std::max(limits.batch_operations, 1u), now);
  if (taken.empty()) return std::nullopt;
  return BuildBatch(std::move(taken), dialect);
}

// Whoever has failed least often goes first, among these who has waited longest.
std::optional<Batch> Delivery::State::NextApart(Time now) {
  using Rank = std::pair<std::uint32_t, std::uint64_t>;
  std::int32_t chosen = kShared;
  Rank best;
  for (const ReadySurvey& survey : lanes.SurveyApart()) {
    if (ApartDue(survey) > now) continue;
    const Isolation::Record* record = isolation.Find(survey.sync);
    const Rank rank = record == nullptr ? Rank{std::numeric_limits<std::uint32_t>::max(), 0}
                                        : Rank{record->failures, record->turn};
    if (chosen != kShared && rank >= best) continue;
    chosen = survey.sync;
    best = rank;
  }
  if (chosen == kShared) return std::nullopt;
  std::vector<Taken> taken =
      lanes.TakeOf(chosen, flow.BatchBytes(), std::max(limits.batch_operations, 1u), now);
  if (taken.empty()) return std::nullopt;
  return BuildBatch(std::move(taken), dialect);
}

// Requests that are not answered.

Time Delivery::State::LateDue() const {
  Time due = kNever;
  for (const auto& [id, batch] : in_flight) {
    if (batch.abandoned || batch.slow) continue;
    if (!batch.late)
      due = std::min(due, batch.started + kLateAfter);
    else if (batch.apart)
      due = std::min(due, batch.started + kSlowAfter);
  }
  return due;
}

void Delivery::State::NoteLate(Time now) {
  for (auto& [id, batch] : in_flight) {
    if (batch.abandoned) continue;
    if (!batch.late && now - batch.started >= kLateAfter) WasLate(&batch, now);
    if (batch.apart && now - batch.started >= kSlowAfter) WasSlow(&batch, now);
  }
}

void Delivery::State::WasLate(Batch* batch, Time now) {
  batch->late = true;
  if (batch->syncs.size() > 1) {
    if (Fly(kShared).abandoned < kMostAbandoned) Abandon(batch, now);
    return;
  }
  const std::int32_t sync = batch->syncs.front();
  isolation.Convict(sync);
  lanes.SetApart(sync, true);
  batch->apart = true;
}

// One of the indexes holds up the others. Their operations are sent once more, each sync's in a
// request of its own: whatever of this one is applied later loses by version.
void Delivery::State::Abandon(Batch* batch, Time now) {
  SetApart(batch->syncs);
  CountRetried(*batch);
  batch->traces.reserve(batch->items.size());
  for (BatchItem& item : batch->items) {
    const Operation& operation = item.pending->operation;
    batch->traces.push_back({operation.sync, operation.version, operation.index});
    ReturnItem(batch, &item, now, now);
  }
  batch->items.clear();
  batch->abandoned = true;
}

void Delivery::State::SetApart(const std::vector<std::int32_t>& syncs) {
  for (std::int32_t sync : syncs) {
    isolation.Suspect(sync);
    lanes.SetApart(sync, true);
  }
}

void Delivery::State::WasSlow(Batch* batch, Time now) {
  batch->slow = true;
  const std::int32_t sync = batch->syncs.front();
  Isolation::Record* record = isolation.Find(sync);
  if (record == nullptr || record->named) return;
  record->slow = true;
  // A server that is slow for all is not the index's fault.
  if (!isolation.OthersInTime(sync, batch->started, now)) return;
  record->named = true;
  Emit(DeliveryEvent::Kind::kSlow, sync,
       "the index takes longer than " + std::to_string(kSlowAfter.count() / 1'000'000) +
           " s to answer a request",
       0);
}

bool Delivery::State::OthersInTime(const Batch& batch, Time now) const {
  constexpr Time kLately{2'000'000};
  return isolation.OthersInTime(batch.syncs.front(), std::min(batch.started, now - kLately), now);
}

bool Delivery::State::OnlyOne(const Batch& batch, Time now) const {
  return batch.apart && OthersInTime(batch, now);
}

// The server takes what others send: neither they nor its pace have to do with it.
void Delivery::State::RetryAlone(Batch batch, const Reply& reply, const RequestVerdict& verdict,
                                 Time now) {
  Connected(now);
  const Time delay = FullJitter(kRequestBackoff, batch.attempts++, &random);
  CountRetried(batch);
  if (verdict.full) ++batch.rejections;
  AgainInParts(std::move(batch), now + std::max(delay, reply.retry_after));
}

bool Delivery::State::IndexAway(Batch* batch, const Reply& reply, const std::string& error,
                                Time now) {
  if (batch->syncs.size() > 1 || !WasSent(reply)) return false;
  const std::int32_t sync = batch->syncs.front();
  const bool waited = now - batch->started >= kSlowAfter;
  Isolation::Record* known = isolation.Find(sync);
  const bool blamed = known != nullptr && known->failures >= kBlameTries;
  const Time before = known != nullptr && known->failures > 0 ? known->failed_at : now - kSlowAfter;
  if (!blamed && !isolation.OthersAnswered(sync, waited ? batch->started : before, now)) {
    if (known != nullptr) known->failures = 0;
    return false;
  }
  SetApart(batch->syncs);
  CountRetried(*batch);
  const std::uint32_t lost = isolation.Failed(sync, now);
  if (waited || lost >= kBlameTries) {
    isolation.Find(sync)->failures = kBlameTries;
    BlockSync(sync, DeliveryEvent::Kind::kBlocked,
              "requests to this index are not answered, others are: " + error, now);
    Dissolve(std::move(*batch), now, now);
    return true;
  }
  const Time due = now + FullJitter(kRequestBackoff, batch->attempts++, &random);
  const bool cut = !reply.transport_ok && batch->body->size() > kSmallBody;
  if (cut && batch->items.size() > 1)
    Split(std::move(*batch), true, due);
  else
    Again(std::move(*batch), due);
  return true;
}

void Delivery::State::Isolate(Batch batch, Time due, Time now) {
  SetApart(batch.syncs);
  Dissolve(std::move(batch), due, now);
}

// The operations of the request went elsewhere meanwhile.
void Delivery::State::TakeLateAnswer(const Reply& reply, Time now) {
  if (dialect.JudgeRequest(reply).action == RequestAction::kItems) Connected(now);
}

}  // namespace polyglot::core
