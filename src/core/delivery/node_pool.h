#pragma once
// Which node of a cluster gets the next request: round robin over the healthy ones. A node that
// fails is dead for 1 s × 2ⁿ up to 30 s with jitter; after that exactly one request probes it.
// Refusals (400, 413, 429 …) are answers: they never mark a node dead.

#include <cstdint>
#include <optional>
#include <vector>

#include "core/backoff.h"
#include "core/time.h"

namespace polyglot::core {

class NodePool {
 public:
  enum class State : std::uint8_t { kHealthy, kDead, kProbing };

  NodePool(std::uint32_t nodes, std::uint64_t random_seed);

  /// The node for the next request. nullopt: every node is dead and none is due yet, or the only
  /// due ones are being probed. The caller must report the outcome of every pick.
  std::optional<std::uint32_t> Pick(Time now);

  /// A healthy node, never a probe: for a request that has just failed on another one.
  std::optional<std::uint32_t> PickHealthy();
  bool AnyHealthy() const;

  /// The node answered, with whatever status does not speak against the node itself.
  void Succeeded(std::uint32_t node);
  /// No answer, or one that says the node is unwell (see MarksDead).
  void Failed(std::uint32_t node, Time now);
  /// The request was abandoned and says nothing about the node.
  void Abandoned(std::uint32_t node, Time now);

  /// Does this reply speak against the node? `status` is 0 when there was no complete answer.
  static bool MarksDead(bool transport_ok, int status);

  /// Every dead node may be tried at once.
  void Revive();
  /// kNever: Pick would return a node now. Otherwise the earliest time at which it may; while the
  /// only candidates are being probed, a short while ahead (their answers come first, usually).
  Time BlockedUntil(Time now) const;

  std::uint32_t size() const { return static_cast<std::uint32_t>(nodes_.size()); }
  State StateOf(std::uint32_t node) const { return nodes_[node].state; }
  Time DeadUntil(std::uint32_t node) const { return nodes_[node].dead_until; }

 private:
  struct Node {
    State state = State::kHealthy;
    Time dead_until{0};
    std::uint32_t failures = 0;  // in a row
  };
  std::vector<Node> nodes_;
  std::uint32_t next_ = 0;
  Random random_;
};

}  // namespace polyglot::core
