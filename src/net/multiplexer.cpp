#include "net/multiplexer.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace polyglot::net {
namespace {

void CloseIfOpen(int fd) {
  if (fd >= 0) close(fd);
}

bool Add(int epoll, int fd, std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0) return true;
  return errno == ENOENT && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Multiplexer::Multiplexer()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  const bool open = epoll_ >= 0 && timer_ >= 0 && wake_ >= 0;
  if (open && Add(epoll_, timer_, EPOLLIN) && Add(epoll_, wake_, EPOLLIN)) return;
  const int error = errno;
  for (int fd : {epoll_, timer_, wake_}) CloseIfOpen(fd);
  throw std::system_error(error, std::generic_category(), "could not set up the event queue");
}

Multiplexer::~Multiplexer() {
  for (int fd : {wake_, timer_, epoll_}) close(fd);
}

bool Multiplexer::Watch(int fd, bool read, bool write) noexcept {
  return Add(epoll_, fd, (read ? EPOLLIN : 0u) | (write ? EPOLLOUT : 0u));
}

void Multiplexer::Forget(int fd) noexcept {
  // Fails when the socket is closed already, and then the kernel has forgotten it by itself.
  epoll_event event{};
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, &event);
}

bool Multiplexer::SetTimer(long milliseconds) noexcept {
  itimerspec when{};
  if (milliseconds == 0) {
    when.it_value.tv_nsec = 1;  // all zero would disarm
  } else if (milliseconds > 0) {
    when.it_value.tv_sec = milliseconds / 1000;
    when.it_value.tv_nsec = (milliseconds % 1000) * 1'000'000;
  }
  return timerfd_settime(timer_, 0, &when, nullptr) == 0;
}

void Multiplexer::Wake() noexcept {
  const std::uint64_t one = 1;
  // Can only fail when it is readable already.
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

std::size_t Multiplexer::Collect(Ready* ready, std::size_t capacity) noexcept {
  std::array<epoll_event, 64> events;
  const int limit = static_cast<int>(std::min(capacity, events.size()));
  const int found = epoll_wait(epoll_, events.data(), limit, 0);
  std::size_t count = 0;
  for (int i = 0; i < found; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    std::uint64_t consumed = 0;
    if (event.data.fd == wake_) {
      [[maybe_unused]] const ssize_t got = read(wake_, &consumed, sizeof consumed);
    } else if (event.data.fd == timer_) {
      if (read(timer_, &consumed, sizeof consumed) > 0) ready[count++] = Ready{};
    } else {
      ready[count++] = {.fd = event.data.fd,
                        .readable = (event.events & EPOLLIN) != 0,
                        .writable = (event.events & EPOLLOUT) != 0,
                        .failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0};
    }
  }
  return count;
}

}  // namespace polyglot::net
