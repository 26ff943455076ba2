#pragma once
// A scripted HTTP server on a loopback port: real sockets, one thread, one connection after the
// other.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace polyglot::net {

/// One connection as the script sees it.
class Connection {
 public:
  Connection(int fd, const std::atomic<bool>* stop) : fd_(fd), stop_(stop) {}
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The next request with its body; "" when the client has gone or the test is over.
  std::string Read() {
    std::string data;
    std::size_t wanted = std::string::npos;
    while (data.size() < wanted) {
      char buffer[65536];
      if (!Wait()) return {};
      const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
      if (got <= 0) return {};
      data.append(buffer, static_cast<std::size_t>(got));
      if (wanted != std::string::npos) continue;
      const std::size_t end = data.find("\r\n\r\n");
      if (end != std::string::npos) wanted = end + 4 + BodyLength(data);
    }
    return data;
  }

  /// false: the client has gone.
  bool Write(const std::string& data) {
    std::size_t done = 0;
    while (done < data.size()) {
      const ssize_t sent = send(fd_, data.data() + done, data.size() - done, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      done += static_cast<std::size_t>(sent);
    }
    return true;
  }

  bool Answer(int status, const std::string& body, const std::string& headers = {}) {
    return Write("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: " +
                 std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
  }

  void Reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(std::exchange(fd_, -1));
  }

  /// Says nothing until the test is over.
  void Hang() const {
    while (!*stop_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

 private:
  bool Wait() const {
    pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
    while (!*stop_)
      if (poll(&p, 1, 20) > 0) return true;
    return false;
  }

  static std::size_t BodyLength(const std::string& head) {
    std::string lower = head;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
      return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    });
    const std::size_t at = lower.find("content-length:");
    return at == std::string::npos ? 0 : std::stoul(lower.substr(at + 15));
  }

  int fd_;
  const std::atomic<bool>* stop_;
};

class LoopbackServer {
 public:
  using Script = std::function<void(Connection&)>;

  explicit LoopbackServer(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
        listen(listener_, 16) == 0 &&
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
      port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }

  ~LoopbackServer() {
    stop_ = true;
    thread_.join();
    close(listener_);
  }

  /// Answers every request on every connection with the same.
  static Script Always(int status, std::string body, std::string headers = {}) {
    return [=](Connection& connection) {
      while (!connection.Read().empty()) connection.Answer(status, body, headers);
    };
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }

 private:
  void Serve() {
    pollfd p{.fd = listener_, .events = POLLIN, .revents = 0};
    while (!stop_) {
      if (poll(&p, 1, 20) <= 0) continue;
      Connection connection(accept(listener_, nullptr, nullptr), &stop_);
      ++connections_;
      script_(connection);
    }
  }

  Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};
  std::thread thread_;
};

/// A port on which nothing listens.
inline std::string ClosedUrl() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  return "http://127.0.0.1:" + std::to_string(bound ? ntohs(address.sin_port) : 1);
}

}  // namespace polyglot::net
