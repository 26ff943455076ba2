#pragma once
// Time enters core as an argument; nothing here reads a clock.

#include <chrono>

namespace polyglot::core {

/// Monotonic time of the caller's clock, microseconds since any fixed point.
using Time = std::chrono::microseconds;
inline constexpr Time kNever = Time::max();

}  // namespace polyglot::core
