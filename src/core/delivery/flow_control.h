#pragma once
// How many requests at once and how large: both learn from the answers. Concurrency starts at 2,
// grows by about one per round trip while it is used to the full, and shrinks to 0.7 of it on
// back-pressure, or when answers take over a second and a multiple of the best time seen for
// requests of about that size: then requests only queue up in the server. Request size halves when
// the server says so and grows by a tenth after 20 clean answers.

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/time.h"

namespace polyglot::core {

class FlowControl {
 public:
  FlowControl(std::uint32_t max_in_flight, std::size_t batch_bytes);
  void SetLimits(std::uint32_t max_in_flight, std::size_t batch_bytes);

  std::uint32_t Concurrency() const { return static_cast<std::uint32_t>(concurrency_); }
  std::size_t BatchBytes() const { return bytes_; }

  /// Belongs to a request from its start on: answers to requests that were already under way when
  /// the limit last shrank do not shrink it again.
  std::uint64_t Round() const { return round_; }

  /// A clean answer. `at_limit`: as many requests as allowed were in flight.
  void Clean(bool at_limit);
  void BackPressure(std::uint64_t round);
  /// A request of `sent` bytes was answered item by item after `latency` (0: not known). Are such
  /// requests slow now?
  bool IsSlow(std::size_t sent, Time latency);
  /// A request of `sent` bytes was too much.
  void TooLarge(std::size_t sent);
  /// It was not answered in time. Smaller ones may be; unlike a limit, an outage passes.
  void TimedOut(std::size_t sent);

 private:
  struct Latency {
    double best = 0;  // microseconds; rises slowly, since what a server can do changes
    double smoothed = 0;
  };
  std::uint32_t max_in_flight_;
  std::size_t max_bytes_;
  double concurrency_ = 2;
  std::size_t bytes_;
  std::uint64_t round_ = 0;
  std::uint32_t clean_ = 0;            // answers in a row
  bool passing_ = false;               // bytes_ shrank because of time only
  std::array<Latency, 16> latency_{};  // by request size
};

}  // namespace polyglot::core
