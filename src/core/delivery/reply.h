#pragma once
// What came of a request.

#include <string>

#include "core/time.h"

namespace polyglot::core {

/// What came back for one bulk request, as net saw it.
struct Reply {
  bool transport_ok = false;       // false: no complete HTTP answer; transport_error says why
  std::string transport_error;     // names the phase (resolve, connect, TLS, send, wait, receive)
  bool may_have_been_sent = true;  // false: surely nothing reached the server
  bool timed_out = false;          // no answer within the request's time
  int status = 0;
  std::string body;
  bool says_missing = false;  // a 404 in the search server's own words, see SaysMissing
  Time retry_after{0};        // from the Retry-After header, 0 = none
  bool answer_cut = false;    // no complete answer because it was larger than any honest one
  bool other_node = false;    // another node than the one that this came from is well
  Time latency{0};            // from the start of the request to the end of the answer, 0 = unknown
  bool out_of_memory = false;  // no answer, because this process could not take it
};

}  // namespace polyglot::core
