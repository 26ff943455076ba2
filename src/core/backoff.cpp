#include "core/backoff.h"

#include <algorithm>

namespace polyglot::core {
namespace {

Time Between(double low_share, Time ceiling, Random* random) {
  const double share = low_share + (1.0 - low_share) * random->Unit();
  return Time{static_cast<Time::rep>(static_cast<double>(ceiling.count()) * share)};
}

}  // namespace

std::uint64_t Random::Next() {
  state_ += 0x9E3779B97F4A7C15u;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double Random::Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

Time Ceiling(const BackoffPolicy& policy, std::uint32_t attempt) {
  // Stops doubling at the cap, so no attempt number can overflow it.
  Time ceiling = policy.base;
  for (std::uint32_t i = 0; i < attempt && ceiling < policy.cap; ++i) ceiling *= 2;
  return std::min(ceiling, policy.cap);
}

Time FullJitter(const BackoffPolicy& policy, std::uint32_t attempt, Random* random) {
  return Between(0.1, Ceiling(policy, attempt), random);
}

Time HalfJitter(const BackoffPolicy& policy, std::uint32_t attempt, Random* random) {
  return Between(0.5, Ceiling(policy, attempt), random);
}

}  // namespace polyglot::core
