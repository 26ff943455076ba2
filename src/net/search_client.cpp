#include "net/search_client.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "net/http_client.h"

namespace polyglot::net {
namespace {

constexpr char kBulkFields[] =
    "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// A secret read from a file often ends in a newline; inside, it would forge a header.
std::string Trimmed(const std::string& text) {
  std::size_t end = text.size();
  while (end > 0 && (IsControl(text[end - 1]) || text[end - 1] == ' ')) --end;
  return text.substr(0, end);
}

std::string HeaderValue(std::string text) {
  for (char& c : text)
    if (c <= ' ' || c > '~') c = '_';
  return text;
}

std::string BaseUrl(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

HttpOptions OptionsOf(const ConnectionConfig& config) {
  HttpOptions options;
  options.user = config.user;
  options.password = config.user.empty() ? "" : config.password;
  if (!config.api_key.empty()) options.authorization = "ApiKey " + Trimmed(config.api_key);
  if (!config.bearer_token.empty())
    options.authorization = "Bearer " + Trimmed(config.bearer_token);
  options.ca_file = config.ca_file;
  options.client_cert = config.client_cert;
  options.client_key = config.client_key;
  options.verify = config.verify;
  options.connect_timeout = config.connect_timeout;
  options.request_timeout = config.request_timeout;
  options.response_cap = config.response_cap;
  return options;
}

/// The server gives up before we do: then it says which shard it waited for.
std::string BulkPath(core::Time request_timeout) {
  const auto seconds = std::max<core::Time::rep>(1, request_timeout.count() * 2 / 3 / 1'000'000);
  return "/_bulk?timeout=" + std::to_string(seconds) + "s&" + kBulkFields;
}

/// libcurl's messages name hosts and files, never credentials; this makes it certain.
std::string WithoutSecrets(std::string text, const ConnectionConfig& config) {
  for (const std::string& secret :
       {config.password, Trimmed(config.api_key), Trimmed(config.bearer_token)})
    if (!secret.empty() && text.find(secret) != std::string::npos) return "request failed";
  return text;
}

struct NodeRecord {
  std::uint32_t in_flight = 0;
  core::Time last_latency{0};
  std::string last_error;
};

struct Pending {
  std::uint32_t node = 0;
  std::uint64_t generation = 0;  // of the node list
  core::Time started{0};
};

}  // namespace

struct SearchClient::State {
  State(ConnectionConfig c, std::uint64_t random_seed)
      : http(c.max_connections), seed(random_seed), pool(0, random_seed) {
    Configure(std::move(c));
  }

  void Configure(ConnectionConfig c);
  std::uint64_t Send(std::uint32_t node, std::string_view method, std::string_view path,
                     std::shared_ptr<const std::string> body, const char* content_type,
                     core::Time now);
  std::uint64_t Dispatch(std::string_view method, std::string_view path,
                         std::shared_ptr<const std::string> body, const char* content_type,
                         core::Time now);
  std::uint64_t FailAtOnce();
  void Account(const Pending& request, HttpResult* result);
  void LearnProduct(const HttpResult& result);

  HttpClient http;
  ConnectionConfig config;
  HttpOptions options;
  std::uint64_t seed;
  core::NodePool pool;
  std::vector<NodeRecord> nodes;
  std::uint64_t generation = 0;
  std::uint64_t last_request = 0;
  std::unordered_map<std::uint64_t, Pending> pending;           // by request
  std::unordered_map<std::uint64_t, std::uint64_t> request_of;  // by the HTTP client's id
  std::vector<Response> failed;                                 // without having been sent
  std::string product;
  std::string last_error;
};

void SearchClient::State::Configure(ConnectionConfig c) {
  for (std::string& url : c.urls) url = BaseUrl(std::move(url));
  if (c.urls != config.urls) {
    pool = core::NodePool(static_cast<std::uint32_t>(c.urls.size()), seed);
    nodes.assign(c.urls.size(), NodeRecord{});
    product.clear();
    last_error.clear();
    ++generation;
  }
  config = std::move(c);
  options = OptionsOf(config);
}

std::uint64_t SearchClient::State::FailAtOnce() {
  Response response;
  response.request = ++last_request;
  response.reply.may_have_been_sent = false;
  // The same words as the failure that made the last node dead: one cause, one message.
  response.reply.transport_error = last_error.empty() ? "no node is available" : last_error;
  response.product = product;
  failed.push_back(std::move(response));
  http.Wake();
  return last_request;
}

std::uint64_t SearchClient::State::Send(std::uint32_t node, std::string_view method,
                                        std::string_view path,
                                        std::shared_ptr<const std::string> body,
                                        const char* content_type, core::Time now) {
  HttpRequest request;
  request.method = method;
  request.url = config.urls[node] + std::string(path);
  // Without a type of ours libcurl would call the body of any POST a form.
  if (body)
    request.headers.push_back(std::string("Content-Type:") +
                              (content_type != nullptr ? std::string(" ") + content_type : ""));
  if (!config.opaque_id.empty())
    request.headers.push_back("X-Opaque-Id: " + HeaderValue(config.opaque_id));
  request.body = std::move(body);
  const std::uint64_t id = ++last_request;
  pending.emplace(id, Pending{.node = node, .generation = generation, .started = now});
  request_of.emplace(http.Start(std::move(request), options), id);
  ++nodes[node].in_flight;
  return id;
}

std::uint64_t SearchClient::State::Dispatch(std::string_view method, std::string_view path,
                                            std::shared_ptr<const std::string> body,
                                            const char* content_type, core::Time now) {
  const std::optional<std::uint32_t> node = pool.Pick(now);
  if (!node) return FailAtOnce();
  return Send(*node, method, path, std::move(body), content_type, now);
}

void SearchClient::State::Account(const Pending& request, HttpResult* result) {
  if (request.generation != generation) return;
  NodeRecord& node = nodes[request.node];
  --node.in_flight;
  node.last_latency = result->latency;
  if (!result->ok)
    result->error =
        WithoutSecrets(config.urls[request.node] + ": " + std::move(result->error), config);
  if (!core::NodePool::MarksDead(result->ok, result->status)) {
    pool.Succeeded(request.node);
    node.last_error.clear();
    return;
  }
  pool.Failed(request.node, request.started + result->latency);
  node.last_error = result->ok ? "HTTP " + std::to_string(result->status) : result->error;
  last_error = result->ok ? config.urls[request.node] + ": " + node.last_error : node.last_error;
}

void SearchClient::State::LearnProduct(const HttpResult& result) {
  if (!result.ok) return;
  if (result.product == "Elasticsearch") {
    product = "elasticsearch";
  } else if (product.empty() && result.status >= 200 && result.status < 300) {
    // Elasticsearch leaves its header out of refusals only.
    product = "opensearch";
  }
}

SearchClient::SearchClient(ConnectionConfig config, std::uint64_t random_seed)
    : state_(std::make_unique<State>(std::move(config), random_seed)) {}

SearchClient::~SearchClient() = default;

void SearchClient::Reconfigure(ConnectionConfig config) { state_->Configure(std::move(config)); }

int SearchClient::poll_fd() const { return state_->http.poll_fd(); }
void SearchClient::Pump() noexcept { state_->http.Pump(); }

std::vector<Response> SearchClient::TakeCompleted() {
  State& s = *state_;
  std::vector<Response> responses = std::exchange(s.failed, {});
  for (HttpResult& result : s.http.TakeCompleted()) {
    const auto request = s.request_of.find(result.id);
    const auto known = s.pending.find(request->second);
    s.LearnProduct(result);
    s.Account(known->second, &result);
    Response response;
    response.request = known->first;
    response.node = known->second.node;
    response.latency = result.latency;
    response.product = s.product;
    response.reply = {.transport_ok = result.ok,
                      .transport_error = std::move(result.error),
                      .may_have_been_sent = result.may_have_been_sent,
                      .http_status = result.ok ? result.status : 0,
                      .body = std::move(result.body),
                      .retry_after = result.retry_after};
    s.pending.erase(known);
    s.request_of.erase(request);
    responses.push_back(std::move(response));
  }
  return responses;
}

std::vector<NodeStatus> SearchClient::Nodes() const {
  const State& s = *state_;
  std::vector<NodeStatus> out;
  for (std::uint32_t i = 0; i < s.nodes.size(); ++i) {
    const core::NodePool::State state = s.pool.StateOf(i);
    const bool dead = state == core::NodePool::State::kDead;
    NodeStatus node;
    node.url = s.config.urls[i];
    node.state = dead ? "dead" : state == core::NodePool::State::kProbing ? "probing" : "healthy";
    node.in_flight = s.nodes[i].in_flight;
    node.last_latency = s.nodes[i].last_latency;
    node.backoff_until = dead ? s.pool.DeadUntil(i) : core::Time{0};
    node.last_error = s.nodes[i].last_error;
    out.push_back(std::move(node));
  }
  return out;
}

void SearchClient::ResetBackoff() { state_->pool.Revive(); }
core::Time SearchClient::BlockedUntil(core::Time now) const {
  return state_->pool.BlockedUntil(now);
}

std::uint64_t SearchClient::StartBulk(std::shared_ptr<const std::string> body, core::Time now) {
  State& s = *state_;
  return s.Dispatch("POST", BulkPath(s.config.request_timeout), std::move(body),
                    "application/x-ndjson", now);
}

std::uint64_t SearchClient::Start(std::string_view method, std::string_view path, std::string body,
                                  core::Time now) {
  State& s = *state_;
  if (body.empty() && method != "POST") return s.Dispatch(method, path, nullptr, nullptr, now);
  const char* type = body.empty() ? nullptr : "application/json";
  return s.Dispatch(method, path, std::make_shared<const std::string>(std::move(body)), type, now);
}

std::uint64_t SearchClient::StartOnNode(std::uint32_t node, std::string_view method,
                                        std::string_view path, core::Time now) {
  State& s = *state_;
  if (node >= s.nodes.size()) return s.FailAtOnce();
  return s.Send(node, method, path, nullptr, nullptr, now);
}

std::uint32_t SearchClient::InFlight() const {
  return static_cast<std::uint32_t>(state_->pending.size() + state_->failed.size());
}

std::string SearchClient::EncodePath(std::string_view segment) {
  constexpr char kHex[] = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~";
  std::string out;
  for (char c : segment) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter || (c >= '0' && c <= '9') || kPlain.find(c) != std::string_view::npos) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  return out;
}

}  // namespace polyglot::net
