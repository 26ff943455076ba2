#include "pg/worker/state/channel.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "core/search/search_dialect.h"
#include "pg/clock.h"

namespace polyglot::pg {

Channel::Channel(Oid user, net::ConnectionConfig config, const core::DeliveryLimits& limits,
                 std::uint64_t seed)
    : user_(user),
      client_(std::move(config), seed),
      delivery_(limits, seed + 1, core::SearchDialect()) {}

void Channel::Ask(std::string_view method, std::string_view path, std::string body, core::Time now,
                  OnResponse answer, std::size_t answer_cap) {
  const std::uint64_t request = client_.Start(method, path, std::move(body), now, answer_cap);
  answers_.emplace(request, std::move(answer));
}

void Channel::AskUrgently(std::string_view method, std::string_view path, std::string body,
                          core::Time now, OnResponse answer) {
  const std::uint64_t request = client_.Start(method, path, std::move(body), now);
  answers_.emplace(request, std::move(answer));
  urgent_.insert(request);
}

void Channel::PumpUrgent(core::Time now) {
  client_.Pump();
  if (urgent_.empty()) return;
  for (const net::Response& response : client_.TakeCompleted(&urgent_)) Dispatch(response, now);
}

void Channel::Dispatch(const net::Response& response, core::Time now) {
  if (!response.product.empty()) product_ = response.product;
  if (auto bulk = bulks_.find(response.request); bulk != bulks_.end()) {
    const std::uint64_t batch = bulk->second;
    bulks_.erase(bulk);
    delivery_.Complete(batch, response.reply, now);
  } else if (auto other = answers_.find(response.request); other != answers_.end()) {
    urgent_.erase(response.request);
    OnResponse answer = std::move(other->second);
    answers_.erase(other);
    answer(response);
  }
}

bool Channel::TakeAnswers(core::Time now) {
  client_.Pump();
  const std::vector<net::Response> completed = client_.TakeCompleted();
  for (const net::Response& response : completed) Dispatch(response, now);
  return !completed.empty();
}

bool Channel::Pump(core::Time now) {
  bool answered = TakeAnswers(now);
  // A node that is dead until a known time takes no request: the batch stays where it can still
  // merge.
  while (client_.BlockedUntil(now) == core::kNever) {
    std::optional<core::BulkBatch> batch = delivery_.NextBatch(now);
    if (!batch) break;
    bulks_.emplace(client_.StartBulk(batch->body, batch->operations, now, batch->doubtful),
                   batch->id);
  }
  answered |= TakeAnswers(now);  // a request that could not even be started is answered at once
  return answered;
}

bool Channel::WaitForAnswers(core::Time end) {
  const core::Time left = end - MonotonicNow();
  if (left <= core::Time{0}) return false;
  if (TakeAnswers(MonotonicNow())) return true;
  pollfd waiting{.fd = client_.poll_fd(), .events = POLLIN, .revents = 0};
  (void)poll(&waiting, 1, static_cast<int>(left.count() / 1000) + 1);
  return true;
}

void Channel::set_state(bool connected, bool denied, core::Time now) {
  if (connected_ && !unproven_ && !connected) away_since_ = now;
  returned_ |= connected && !connected_;
  connected_ = connected;
  denied_ = denied;
}

void Channel::DeliveryFailed(bool denied, core::Time now) {
  if (connected_) ProbeFailed(true, now);
  set_state(false, denied, now);
  unproven_ = true;
}

core::Time Channel::NextProbe(core::Time now) const {
  const core::Time blocked = client_.BlockedUntil(now);
  return blocked == core::kNever ? probe_at_ : std::max(probe_at_, blocked);
}

void Channel::ProbeFailed(bool answered, core::Time now) {
  constexpr core::Time kFirst{1'000'000}, kLongest{30'000'000};
  if (!answered) return;
  probe_wait_ = std::clamp(2 * probe_wait_, kFirst, kLongest);
  probe_at_ = now + probe_wait_;
}

core::Time Channel::NextDeadline(core::Time now) const {
  const core::Time next = delivery_.NextDeadline(now), blocked = client_.BlockedUntil(now);
  return blocked == core::kNever ? next : std::max(next, blocked);
}

}  // namespace polyglot::pg
