#pragma once
// HTTP/1.1 requests through one libcurl multi handle, driven by its owner: nothing here waits.
// Never follows redirects, never leaves http and https, never sends Expect, caps what it receives.

#include <cstdint>
#include <memory>
#include <vector>

#include "net/http.h"

namespace polyglot::net {

class HttpClient {
 public:
  /// Throws std::system_error or std::bad_alloc when the process is out of descriptors or memory.
  explicit HttpClient(std::uint32_t max_connections);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  int poll_fd() const;
  /// For requests that begin from now on.
  void SetMaxConnections(std::uint32_t most);
  /// Begins a request and returns its id. It always ends with a result, a failure to begin
  /// included.
  std::uint64_t Start(HttpRequest request, const HttpOptions& options);
  void Pump() noexcept;
  void Wake() noexcept;  // poll_fd() becomes readable once
  std::vector<HttpResult> TakeCompleted();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polyglot::net
