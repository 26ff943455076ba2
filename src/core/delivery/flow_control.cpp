#include "core/delivery/flow_control.h"

#include <algorithm>
#include <bit>

namespace polyglot::core {
namespace {

constexpr double kStart = 2;
constexpr double kShrink = 0.7;
constexpr std::size_t kSmallest = 64u << 10;
constexpr std::uint32_t kCleanForGrowth = 20;
constexpr double kSmoothing = 0.3;       // weight of the newest answer
constexpr double kRise = 0.002;          // share of the way from best to smoothed that best rises
constexpr double kSlow = 4;              // times the best latency …
constexpr double kNoticeable = 1e6;      // … and more than this, in microseconds
constexpr std::size_t kSmallClass = 11;  // requests below 2 kB are all of one size

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
  if (bytes_ >= max_bytes_) passing_ = false;
  if (bytes_ >= max_bytes_ || (++clean_ < kCleanForGrowth && !passing_)) return;
  clean_ = 0;
  bytes_ = std::min(bytes_ + bytes_ / 10 + 1, max_bytes_);
}

void FlowControl::BackPressure(std::uint64_t round) {
  clean_ = 0;
  if (round != round_) return;
  ++round_;
  concurrency_ = std::max(1.0, concurrency_ * kShrink);
}

bool FlowControl::IsSlow(std::size_t sent, Time latency) {
  if (latency <= Time{0}) return false;
  const std::size_t bits = std::max<std::size_t>(std::bit_width(sent), kSmallClass);
  Latency& seen = latency_[std::min(bits - kSmallClass, latency_.size() - 1)];
  const auto time = static_cast<double>(latency.count());
  seen.smoothed = seen.smoothed == 0 ? time : seen.smoothed + kSmoothing * (time - seen.smoothed);
  seen.best = seen.best == 0 ? time : std::min(time, seen.best);
  seen.best += kRise * (seen.smoothed - seen.best);
  return seen.smoothed > kNoticeable && seen.smoothed > kSlow * seen.best;
}

void FlowControl::TooLarge(std::size_t sent) {
  clean_ = 0;
  passing_ = false;
  const std::size_t half = std::min(bytes_, sent) / 2;
  bytes_ = std::min(bytes_, std::max(half, std::min(kSmallest, max_bytes_)));
}

void FlowControl::TimedOut(std::size_t sent) {
  const bool passing = passing_ || bytes_ >= max_bytes_;
  TooLarge(sent);
  passing_ = passing;
}

}  // namespace polyglot::core
