#pragma once
// A request and its answer, as plain values.

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

}  // namespace polyglot::net
