#pragma once
// One epoll descriptor that nests every socket of libcurl, a timer and a wake-up: the caller waits
// for this one descriptor together with whatever else it waits for, and never inside libcurl.

#include <cstddef>

namespace polyglot::net {

class Multiplexer {
 public:
  struct Ready {
    int fd = -1;  // -1: the timer has expired
    bool readable = false, writable = false, failed = false;
  };

  /// Throws std::system_error when the process has no descriptors left.
  Multiplexer();
  ~Multiplexer();
  Multiplexer(const Multiplexer&) = delete;
  Multiplexer& operator=(const Multiplexer&) = delete;

  int fd() const { return epoll_; }
  /// Adds the socket or changes what is watched. false: the kernel refused.
  bool Watch(int fd, bool read, bool write) noexcept;
  void Forget(int fd) noexcept;
  /// One expiry in `milliseconds`; negative: none.
  bool SetTimer(long milliseconds) noexcept;
  /// Makes fd() readable until the next Collect.
  void Wake() noexcept;
  /// What is ready now, without waiting; the timer and the wake-up are consumed. At most
  /// `capacity`; the rest keeps fd() readable.
  std::size_t Collect(Ready* ready, std::size_t capacity) noexcept;

 private:
  int epoll_ = -1;
  int timer_ = -1;
  int wake_ = -1;
};

}  // namespace polyglot::net
