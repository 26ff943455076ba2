#pragma once
// HTTP/1.1 requests through one libcurl multi handle, driven by its owner: nothing here waits.
// Never follows redirects, never leaves http and https, never sends Expect, caps what it receives.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/time.h"

namespace polyglot::net {

/// How to reach and convince a server; libcurl copies it when a request starts.
struct HttpOptions {
  std::string user, password;           // basic, when `user` is not empty
  std::string authorization;            // value of the Authorization header otherwise; "" for none
  std::string aws_region, aws_service;  // region set: signed (SigV4) with `user` and `password`
  std::string ca_file, client_cert, client_key;
  bool verify = true;
  std::string tls_server_name;  // "": the url's host
  std::string proxy;            // "": none; what the environment says never counts
  core::Time connect_timeout{3'000'000};
  core::Time request_timeout{30'000'000};      // of the whole request, however slowly it moves
  core::Time address_lifetime{5'000'000};      // then the name is resolved again; whole seconds
  core::Time connection_lifetime{60'000'000};  // then a new one is made; whole seconds
};

struct HttpRequest {
  std::string method;
  std::string url;
  std::vector<std::string> headers;         // "Name: value"
  std::shared_ptr<const std::string> body;  // null: none
  std::size_t response_cap = 8u << 20;      // bytes, decompressed; a longer answer is cut
};

struct HttpResult {
  std::uint64_t id = 0;
  bool ok = false;  // a complete answer
  bool may_have_been_sent = true;
  bool timed_out = false;
  bool too_large = false;  // not ok because the answer was cut at the request's cap
  int status = 0;
  std::string body;     // decompressed
  std::string error;    // "<phase>: <what>"; stable for a stable cause, no numbers that vary
  std::string product;  // value of X-Elastic-Product
  core::Time retry_after{0};
  core::Time latency{0};
  bool out_of_memory = false;  // we could not go on
};

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
