#pragma once
// Everything the worker asks of a search server: `_bulk`, index and alias administration, point in
// time. One object per (server, credentials). Never blocks: Start… begins a request, the caller
// waits for poll_fd() (readable), calls Pump(), then TakeCompleted(). No function throws for
// anything a server does; std::bad_alloc may escape from Start… and TakeCompleted().

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/delivery/reply.h"
#include "core/time.h"

namespace polyglot::net {

/// Where and how to connect. Secrets live here and in libcurl only, never in a message.
struct ConnectionConfig {
  std::vector<std::string> urls;  // https://host:port[/prefix], no user info
  std::string user, password;     // basic
  std::string api_key;            // base64 form, as `Authorization: ApiKey …`
  std::string bearer_token;
  std::string aws_access_key, aws_secret_key;  // SigV4
  std::string aws_region, aws_service;
  std::string unusable;  // why this cannot be used at all; every request fails with it, unsent
  std::string ca_file, client_cert, client_key;
  bool verify = true;
  std::string tls_server_name;  // to verify, and to send as SNI and Host; "": the host of the url
  std::string proxy;            // http(s)://host:port; "": none, whatever the environment says
  bool gzip = false;            // bulk bodies from 1 kB on
  core::Time connect_timeout{3'000'000};
  core::Time request_timeout{30'000'000};
  std::uint32_t max_connections = 8;
  std::string opaque_id;  // X-Opaque-Id, e.g. polyglot_sync/shop/search
};

struct Response {
  std::uint64_t request = 0;  // what Start… returned
  core::Reply reply;          // status, body, transport error
  std::string product;        // "elasticsearch", "opensearch" or "" (not known yet)
  std::uint32_t node = 0;     // index into urls
  core::Time latency{0};
};

struct NodeStatus {
  std::string url;
  std::string state;  // healthy | dead | probing
  std::uint32_t in_flight = 0;
  core::Time last_latency{0};
  core::Time backoff_until{0};
  std::string last_error;
  int last_status = 0;  // HTTP, of the last answer; 0: none
};

class SearchClient {
 public:
  explicit SearchClient(ConnectionConfig config, std::uint64_t random_seed);
  ~SearchClient();
  SearchClient(const SearchClient&) = delete;
  SearchClient& operator=(const SearchClient&) = delete;

  /// Takes new credentials, files or addresses for requests started from now on. true: the
  /// addresses are others; what still comes from the former ones counts as no answer.
  bool Reconfigure(ConnectionConfig config);
  /// Readable when Pump() has something to do; level-triggered; owned by this object.
  int poll_fd() const;
  void Pump() noexcept;
  /// `only`: answers to these requests; the others are kept for the next call.
  std::vector<Response> TakeCompleted(const std::set<std::uint64_t>* only = nullptr);
  std::vector<NodeStatus> Nodes() const;
  /// Every node may be tried again at once.
  void ResetBackoff();
  /// Earliest time at which a node may be tried; kNever when one may be tried now.
  core::Time BlockedUntil(core::Time now) const;

  /// POST /_bulk with filter_path. Body and its size must not change until completion (shared).
  /// The answer may be as large as so many operations can honestly make it.
  /// `doubtful`: if it is lost, a node that was well a moment ago is not to blame.
  std::uint64_t StartBulk(std::shared_ptr<const std::string> body, std::uint32_t operations,
                          core::Time now, bool doubtful = false);
  /// Any other request; its answer is cut at `answer_cap` (0: 8 MB). `body` may be empty. Paths are
  /// already percent-encoded (see EncodePath).
  std::uint64_t Start(std::string_view method, std::string_view path, std::string body,
                      core::Time now, std::size_t answer_cap = 0);
  // A request that a node surely did not get, and a GET or HEAD that it did not answer, goes to
  // another healthy node at once; its answer comes from there.

  /// Sends the request to one node, whatever its state (ping).
  std::uint64_t StartOnNode(std::uint32_t node, std::string_view method, std::string_view path,
                            core::Time now);
  std::uint32_t InFlight() const;

  static std::string EncodePath(std::string_view segment);  // percent-encodes one path segment

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polyglot::net
