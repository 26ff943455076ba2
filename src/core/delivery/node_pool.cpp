#include "core/delivery/node_pool.h"

#include <algorithm>

namespace polyglot::core {
namespace {

constexpr BackoffPolicy kDeadTime{.base = Time{1'000'000}, .cap = Time{30'000'000}};
constexpr Time kProbePatience{1'000'000};

}  // namespace

NodePool::NodePool(std::uint32_t nodes, std::uint64_t random_seed)
    : nodes_(nodes), random_(random_seed) {}

std::optional<std::uint32_t> NodePool::Pick(Time now) {
  const std::uint32_t count = size();
  std::optional<std::uint32_t> healthy;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t at = (next_ + i) % count;
    Node& node = nodes_[at];
    // A due node is probed first even when others are healthy: that is how it comes back.
    if (node.state == State::kDead && node.dead_until <= now) {
      node.state = State::kProbing;
      return at;
    }
    if (node.state == State::kHealthy && !healthy) healthy = at;
  }
  if (healthy) next_ = (*healthy + 1) % count;
  return healthy;
}

std::optional<std::uint32_t> NodePool::PickHealthy() {
  for (std::uint32_t i = 0; i < size(); ++i) {
    const std::uint32_t at = (next_ + i) % size();
    if (nodes_[at].state != State::kHealthy) continue;
    next_ = (at + 1) % size();
    return at;
  }
  return std::nullopt;
}

bool NodePool::AnyHealthy() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const Node& node) { return node.state == State::kHealthy; });
}

void NodePool::Succeeded(std::uint32_t node) { nodes_[node] = Node{}; }

void NodePool::Failed(std::uint32_t node, Time now) {
  Node& n = nodes_[node];
  // Requests that were in flight together fail together: they count once.
  if (n.state == State::kDead && now < n.dead_until) return;
  n.dead_until = now + HalfJitter(kDeadTime, n.failures, &random_);
  ++n.failures;
  n.state = State::kDead;
}

void NodePool::Abandoned(std::uint32_t node, Time now) {
  Node& n = nodes_[node];
  if (n.state != State::kProbing) return;
  n.state = State::kDead;
  n.dead_until = now;
}

bool NodePool::MarksDead(bool transport_ok, int status) {
  if (!transport_ok) return true;
  return (status >= 502 && status <= 504) || status == 507 || (status >= 520 && status <= 529);
}

void NodePool::Revive() {
  for (Node& node : nodes_) node.dead_until = Time{0};
}

Time NodePool::BlockedUntil(Time now) const {
  Time earliest = kNever;
  bool probing = false;
  for (const Node& node : nodes_) {
    if (node.state == State::kHealthy) return kNever;
    if (node.state == State::kProbing) {
      probing = true;
    } else {
      if (node.dead_until <= now) return kNever;
      earliest = std::min(earliest, node.dead_until);
    }
  }
  return probing ? std::min(earliest, now + kProbePatience) : earliest;
}

}  // namespace polyglot::core
