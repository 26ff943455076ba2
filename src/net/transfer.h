#pragma once
// One HTTP request inside libcurl, from its settings to its result. Only http_client.cpp includes
// this.

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "core/time.h"
#include "net/http.h"

namespace polyglot::net {

struct EasyDeleter {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// libcurl holds pointers into it: it must not move while the request runs.
struct Transfer {
  std::uint64_t id = 0;
  HttpRequest request;
  std::unique_ptr<curl_slist, ListDeleter> headers;
  std::unique_ptr<curl_slist, ListDeleter> connect_to;
  std::unique_ptr<CURL, EasyDeleter> easy;  // dies before the lists and the body it points to
  std::string body;
  std::string product;
  bool too_large = false;
  bool out_of_memory = false;
  bool connected = false;  // the request began to be sent
  bool by_proxy = false;
  bool answered = false;  // the first byte of an answer has come
  core::Time connect_timeout{0}, request_timeout{0};
  CURLcode code = CURLE_OK;
  char error[CURL_ERROR_SIZE] = {};
};

/// Makes the easy handle and hands it all settings. false: out of memory.
bool Prepare(Transfer* transfer, const HttpOptions& options);
/// The result of a transfer that has ended; takes the body out of it.
HttpResult ResultOf(Transfer* transfer);

}  // namespace polyglot::net
