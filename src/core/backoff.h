#pragma once
// When to try again: exponential growth with jitter. Randomness comes from a seed, so that tests
// see the same delays.

#include <cstdint>

#include "core/time.h"

namespace polyglot::core {

/// A small generator (splitmix64): good enough to spread retries, never for secrets.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next();
  double Unit();  // uniform in [0, 1)

 private:
  std::uint64_t state_;
};

struct BackoffPolicy {
  Time base{100'000};
  Time cap{30'000'000};
};

/// min(cap, base × 2^attempt); attempt counts from 0.
Time Ceiling(const BackoffPolicy& policy, std::uint32_t attempt);
/// Full jitter: uniform between a tenth of the ceiling and the ceiling. The lower bound keeps a
/// lucky draw from hammering a server that has just refused.
Time FullJitter(const BackoffPolicy& policy, std::uint32_t attempt, Random* random);
/// Half jitter: uniform between half of the ceiling and the ceiling.
Time HalfJitter(const BackoffPolicy& policy, std::uint32_t attempt, Random* random);

}  // namespace polyglot::core
