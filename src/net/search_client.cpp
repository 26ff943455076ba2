#include "net/search_client.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/delivery/isolation.h"
#include "core/delivery/node_pool.h"
#include "core/search/index_requests.h"
#include "net/address.h"
#include "net/gzip.h"
#include "net/http_client.h"

namespace polyglot::net {
namespace {

constexpr char kBulkFields[] =
    "filter_path=errors,items.*.status,items.*._index,items.*.result,items.*.failure_store,"
    "items.*.error.type,"
    "items.*.error.reason,items.*.error.caused_by.reason";

constexpr std::size_t kOtherAnswer = 8u << 20;
constexpr std::size_t kWorthPacking = 1024;

/// A few bytes for an operation that went well, some hundred for one that was refused. What is cut
/// is asked for again in halves, so this need not be right for every answer, only for one to a
/// single operation: refusals quote the value.
std::size_t BulkAnswerCap(std::uint32_t operations, std::size_t body) {
  constexpr std::size_t kBase = 256u << 10, kEach = 1024, kMost = 3u << 20;
  if (operations <= 1) return kBase + 2 * body;
  return std::min(kBase + kEach * operations, kMost);
}

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
  if (!config.aws_access_key.empty()) {
    options.user = config.aws_access_key;
    options.password = config.aws_secret_key;
    options.aws_region = config.aws_region;
    options.aws_service = config.aws_service;
  }
  options.tls_server_name = config.tls_server_name;
  options.proxy = config.proxy;
  options.ca_file = config.ca_file;
  options.client_cert = config.client_cert;
  options.client_key = config.client_key;
  options.verify = config.verify;
  options.connect_timeout = config.connect_timeout;
  options.request_timeout = config.request_timeout;
  return options;
}

/// The server gives up before we do: then it says which shard it waited for.
std::string BulkPath(core::Time request_timeout) {
  const auto seconds = std::max<core::Time::rep>(1, request_timeout.count() * 2 / 3 / 1'000'000);
  return "/_bulk?timeout=" + std::to_string(seconds) + "s&" + kBulkFields;
}

std::string Base64(std::string_view text) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = i; j < i + 3; ++j)
      bits = bits << 8 | (j < text.size() ? static_cast<unsigned char>(text[j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j)
      out.push_back(i + j > text.size() ? '=' : kDigits[bits >> (18 - 6 * j) & 63]);
  }
  return out;
}

std::vector<std::string> SecretsOf(const ConnectionConfig& config) {
  std::vector<std::string> secrets = {config.password, Trimmed(config.api_key),
                                      Trimmed(config.bearer_token), config.aws_secret_key};
  if (!config.user.empty()) secrets.push_back(Base64(config.user + ":" + config.password));
  std::erase(secrets, "");
  return secrets;
}

/// libcurl's messages name hosts and files, never credentials, but whatever answers at an address
/// may repeat what it was sent.
void EraseSecrets(const std::vector<std::string>& secrets, std::string* text) {
  for (const std::string& secret : secrets)
    for (auto at = text->find(secret); at != std::string::npos; at = text->find(secret, at + 3))
      text->replace(at, secret.size(), "***");
}

struct NodeRecord {
  std::uint32_t in_flight = 0;
  core::Time last_latency{0};
  core::Time answered_at = core::Time::min();  // something that does not speak against it
  std::string last_error;
  int last_status = 0;
};

/// What is asked, whichever node gets it.
struct Question {
  std::string method, path;
  std::shared_ptr<const std::string> body;
  const char* content_type = nullptr;
  std::size_t response_cap = kOtherAnswer;
  bool packed = false;    // the body is gzip
  bool doubtful = false;  // see StartBulk
  bool repeatable() const { return method == "GET" || method == "HEAD"; }
};

struct Pending {
  std::uint32_t node = 0;
  bool elsewhere = false;        // another node may take it instead
  std::uint64_t generation = 0;  // of the node list
  core::Time started{0};
  Question question;
};

}  // namespace

struct SearchClient::State {
  State(ConnectionConfig c, std::uint64_t random_seed)
      : http(c.max_connections), seed(random_seed), pool(0, random_seed) {
    Configure(std::move(c));
  }

  bool Configure(ConnectionConfig c);
  void Send(std::uint64_t id, Pending request);
  std::uint64_t Dispatch(Question question, core::Time now);
  std::uint64_t FailAtOnce();
  void Account(const Pending& request, HttpResult* result);
  bool SendElsewhere(std::uint64_t id, const HttpResult& result, Pending* request);
  void LearnProduct(const HttpResult& result);

  HttpClient http;
  ConnectionConfig config;
  HttpOptions options;
  std::vector<std::string> secrets;
  std::uint64_t seed;
  core::NodePool pool;
  std::vector<NodeRecord> nodes;
  std::uint64_t generation = 0;
  std::uint64_t last_request = 0;
  std::unordered_map<std::uint64_t, Pending> pending;           // by request
  std::unordered_map<std::uint64_t, std::uint64_t> request_of;  // by the HTTP client's id
  std::vector<HttpResult> kept;  // of requests that nobody has asked for yet
  std::vector<Response> failed;  // without having been sent
  std::string product;
  std::string last_error;
};

bool SearchClient::State::Configure(ConnectionConfig c) {
  for (std::string& url : c.urls) url = BaseUrl(std::move(url));
  const bool moved = c.urls != config.urls;
  if (moved) {
    pool = core::NodePool(static_cast<std::uint32_t>(c.urls.size()), seed);
    nodes.assign(c.urls.size(), NodeRecord{});
    product.clear();
    last_error.clear();
    ++generation;
  }
  config = std::move(c);
  options = OptionsOf(config);
  secrets = SecretsOf(config);
  http.SetMaxConnections(config.max_connections);
  return moved;
}

HttpResult FromFormerAddress(HttpResult result) {
  result.ok = false;
  result.error = "the answer came from a former address of the server";
  result.may_have_been_sent = true;
  result.body.clear();
  return result;
}

std::uint64_t SearchClient::State::FailAtOnce() {
  Response response;
  response.request = ++last_request;
  response.reply.may_have_been_sent = false;
  // The same words as the failure that made the last node dead: one cause, one message.
  response.reply.transport_error = !config.unusable.empty() ? config.unusable
                                   : last_error.empty()     ? "no node is available"
                                                            : last_error;
  response.product = product;
  failed.push_back(std::move(response));
  http.Wake();
  return last_request;
}

void SearchClient::State::Send(std::uint64_t id, Pending pend) {
  const Question& question = pend.question;
  HttpRequest request;
  request.method = question.method;
  request.url = config.urls[pend.node] + question.path;
  // Without a type of ours libcurl would call the body of any POST a form.
  const char* none = config.aws_access_key.empty() ? "" : " application/json";  // must be signed
  if (question.body)
    request.headers.push_back(
        std::string("Content-Type:") +
        (question.content_type != nullptr ? std::string(" ") + question.content_type : none));
  if (question.packed) request.headers.emplace_back("Content-Encoding: gzip");
  if (!config.opaque_id.empty())
    request.headers.push_back("X-Opaque-Id: " + HeaderValue(config.opaque_id));
  request.body = question.body;
  request.response_cap = question.response_cap;
  pend.generation = generation;
  ++nodes[pend.node].in_flight;
  pending.insert_or_assign(id, std::move(pend));
  request_of.emplace(http.Start(std::move(request), options), id);
}

std::uint64_t SearchClient::State::Dispatch(Question question, core::Time now) {
  if (!config.unusable.empty()) return FailAtOnce();
  const std::optional<std::uint32_t> node = pool.Pick(now);
  if (!node) return FailAtOnce();
  Send(++last_request, {.node = *node,
                        .elsewhere = true,
                        .generation = generation,
                        .started = now,
                        .question = std::move(question)});
  return last_request;
}

/// A node that is away is no trouble while another one is well. Each failure takes a node out, so
/// this ends.
bool SearchClient::State::SendElsewhere(std::uint64_t id, const HttpResult& result,
                                        Pending* request) {
  if (result.ok || result.too_large || !request->elsewhere || request->generation != generation)
    return false;
  if (!config.unusable.empty()) return false;  // as of now: nothing may be sent with it
  if (result.may_have_been_sent && !request->question.repeatable()) return false;
  const std::optional<std::uint32_t> node = pool.PickHealthy();
  if (!node) return false;
  Pending again = std::move(*request);
  again.node = *node;
  again.started += result.latency;
  Send(id, std::move(again));
  return true;
}

/// One request that waits too long, or one of an index whose requests are lost, says nothing about
/// a node that has answered others meanwhile.
bool WasWell(const Pending& request, const HttpResult& result, core::Time answered_at,
             core::Time now) {
  constexpr core::Time kRecent{15'000'000};  // leases are renewed within 10 s
  const bool gateway_gave_up = result.ok && (result.status == 503 || result.status == 504);
  if (!result.ok && !result.may_have_been_sent) return false;
  const bool waited = (gateway_gave_up || result.timed_out) && answered_at >= request.started;
  return (waited || request.question.doubtful) && answered_at >= now - kRecent;
}

void SearchClient::State::Account(const Pending& request, HttpResult* result) {
  if (request.generation != generation) return;
  NodeRecord& node = nodes[request.node];
  --node.in_flight;
  node.last_latency = result->latency;
  node.last_status = result->ok ? result->status : 0;
  if (!result->ok) {
    result->error = config.urls[request.node] + ": " + std::move(result->error);
    EraseSecrets(secrets, &result->error);
  }
  const core::Time now = request.started + result->latency;
  if (result->too_large || !core::NodePool::MarksDead(result->ok, result->status)) {
    pool.Succeeded(request.node);
    node.answered_at = std::max(node.answered_at, now);
    node.last_error.clear();
    return;
  }
  if (WasWell(request, *result, node.answered_at, now)) return pool.Abandoned(request.node, now);
  pool.Failed(request.node, now);
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

bool SearchClient::Reconfigure(ConnectionConfig config) {
  return state_->Configure(std::move(config));
}

int SearchClient::poll_fd() const { return state_->http.poll_fd(); }
void SearchClient::Pump() noexcept { state_->http.Pump(); }

std::vector<Response> SearchClient::TakeCompleted(const std::set<std::uint64_t>* only) {
  State& s = *state_;
  std::vector<Response> responses;
  for (Response& failed : std::exchange(s.failed, {})) {
    const bool kept = only != nullptr && !only->contains(failed.request);
    (kept ? s.failed : responses).push_back(std::move(failed));
  }
  std::vector<HttpResult> results = std::exchange(s.kept, {});
  for (HttpResult& result : s.http.TakeCompleted()) results.push_back(std::move(result));
  for (HttpResult& result : results) {
    const auto request = s.request_of.find(result.id);
    if (only != nullptr && !only->contains(request->second)) {
      s.kept.push_back(std::move(result));
      continue;
    }
    const auto known = s.pending.find(request->second);
    // A former address may have led to another cluster: what it says is nothing the new one knows.
    if (known->second.generation == s.generation)
      s.LearnProduct(result);
    else if (result.ok)
      result = FromFormerAddress(std::move(result));
    s.Account(known->second, &result);
    s.request_of.erase(request);
    if (s.SendElsewhere(known->first, result, &known->second)) continue;
    // Before that: a short secret may stand in any word of it.
    const bool says_missing = result.ok && result.status == 404 && core::SaysMissing(result.body);
    if (result.status != 200) EraseSecrets(s.secrets, &result.body);
    Response response;
    response.request = known->first;
    response.node = known->second.node;
    response.latency = result.latency;
    response.product = s.product;
    response.reply = {.transport_ok = result.ok,
                      .transport_error = std::move(result.error),
                      .may_have_been_sent = result.may_have_been_sent,
                      .timed_out = result.timed_out,
                      .status = result.ok ? result.status : 0,
                      .body = std::move(result.body),
                      .says_missing = says_missing,
                      .retry_after = result.retry_after,
                      .answer_cut = result.too_large,
                      .other_node = known->second.elsewhere && s.pool.AnyHealthy(),
                      .latency = result.latency,
                      .out_of_memory = result.out_of_memory};
    s.pending.erase(known);
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
    node.last_status = s.nodes[i].last_status;
    out.push_back(std::move(node));
  }
  return out;
}

void SearchClient::ResetBackoff() { state_->pool.Revive(); }
core::Time SearchClient::BlockedUntil(core::Time now) const {
  return state_->pool.BlockedUntil(now);
}

std::uint64_t SearchClient::StartBulk(std::shared_ptr<const std::string> body,
                                      std::uint32_t operations, core::Time now, bool doubtful) {
  State& s = *state_;
  Question question{.method = "POST",
                    .path = BulkPath(s.config.request_timeout),
                    .body = std::move(body),
                    .content_type = "application/x-ndjson"};
  question.response_cap = BulkAnswerCap(operations, question.body->size());
  question.doubtful = doubtful;
  auto packed = std::make_shared<std::string>();
  question.packed =
      s.config.gzip && question.body->size() >= kWorthPacking && Gzip(*question.body, packed.get());
  if (question.packed) question.body = std::move(packed);
  return s.Dispatch(std::move(question), now);
}

std::uint64_t SearchClient::Start(std::string_view method, std::string_view path, std::string body,
                                  core::Time now, std::size_t answer_cap) {
  Question question{.method = std::string(method), .path = std::string(path), .body = nullptr};
  if (answer_cap != 0) question.response_cap = answer_cap;
  if (!body.empty()) question.content_type = "application/json";
  if (!body.empty() || method == "POST")
    question.body = std::make_shared<const std::string>(std::move(body));
  return state_->Dispatch(std::move(question), now);
}

std::uint64_t SearchClient::StartOnNode(std::uint32_t node, std::string_view method,
                                        std::string_view path, core::Time now) {
  State& s = *state_;
  if (node >= s.nodes.size() || !s.config.unusable.empty()) return s.FailAtOnce();
  Question question{.method = std::string(method), .path = std::string(path), .body = nullptr};
  s.Send(++s.last_request,
         {.node = node, .generation = s.generation, .started = now, .question = question});
  return s.last_request;
}

std::uint32_t SearchClient::InFlight() const {
  return static_cast<std::uint32_t>(state_->pending.size() + state_->failed.size());
}

std::string SearchClient::EncodePath(std::string_view segment) { return PercentEncode(segment); }

}  // namespace polyglot::net
