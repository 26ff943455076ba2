#include "core/flow_control.h"

#include <algorithm>

namespace polyglot::core {
namespace {

constexpr double kStart = 2;
constexpr double kShrink = 0.7;
constexpr std::size_t kSmallest = 64u << 10;
constexpr std::uint32_t kCleanForGrowth = 20;

}  // namespace

FlowControl::FlowControl(std::uint32_t max_in_flight, std::size_t batch_bytes)
    : max_in_flight_(std::max(max_in_flight, 1u)),
      max_bytes_(batch_bytes),
      concurrency_(std::min<double>(kStart, max_in_flight_)),
      bytes_(batch_bytes) {}

void FlowControl::SetLimits(std::uint32_t max_in_flight, std::size_t batch_bytes) {
  max_in_flight_ = std::max(max_in_flight, 1u);
  concurrency_ = std::min<double>(concurrency_, max_in_flight_);
  // What was learnt about the server's limit stays valid only downwards.
  if (bytes_ == max_bytes_ || bytes_ > batch_bytes) bytes_ = batch_bytes;
  max_bytes_ = batch_bytes;
}

void FlowControl::Clean(bool at_limit) {
  if (at_limit) concurrency_ = std::min<double>(concurrency_ + 1 / concurrency_, max_in_flight_);
  if (bytes_ >= max_bytes_ || ++clean_ < kCleanForGrowth) return;
  clean_ = 0;
  bytes_ = std::min(bytes_ + bytes_ / 10 + 1, max_bytes_);
}

void FlowControl::BackPressure(std::uint64_t round) {
  clean_ = 0;
  if (round != round_) return;
  ++round_;
  concurrency_ = std::max(1.0, concurrency_ * kShrink);
}

void FlowControl::TooLarge(std::size_t sent) {
  clean_ = 0;
  const std::size_t half = std::min(bytes_, sent) / 2;
  bytes_ = std::min(bytes_, std::max(half, std::min(kSmallest, max_bytes_)));
}

}  // namespace polyglot::core
