#include "net/http_client.h"

#include <curl/curl.h>

#include <array>
#include <csignal>
#include <new>
#include <unordered_map>
#include <utility>

#include "net/multiplexer.h"
#include "net/transfer.h"

namespace polyglot::net {
namespace {

/// libcurl may start a thread to resolve a name: it must not take signals that are meant for us.
class SignalBlock {
 public:
  SignalBlock() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
};

int OnSocket(CURL*, curl_socket_t socket, int what, void* arg, void*) noexcept {
  auto* multiplexer = static_cast<Multiplexer*>(arg);
  if (what == CURL_POLL_REMOVE) {
    multiplexer->Forget(socket);
    return 0;
  }
  const bool read = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
  const bool write = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
  return multiplexer->Watch(socket, read, write) ? 0 : -1;
}

int OnTimer(CURLM*, long milliseconds, void* arg) noexcept {
  return static_cast<Multiplexer*>(arg)->SetTimer(milliseconds) ? 0 : -1;
}

bool InitialiseLibrary() {
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
  return result == CURLE_OK;
}

}  // namespace

struct HttpClient::State {
  Multiplexer multiplexer;
  CURLM* multi = nullptr;
  std::uint64_t last_id = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Transfer>> transfers;
  std::vector<Transfer*> done;  // has room for all transfers: Pump never allocates

  explicit State(std::uint32_t max_connections);
  ~State();
  void SetMaxConnections(std::uint32_t most);
  bool Begin(Transfer* transfer, const HttpOptions& options);
  void CollectDone() noexcept;
};

HttpClient::State::State(std::uint32_t max_connections) {
  const SignalBlock block;
  if (InitialiseLibrary()) multi = curl_multi_init();
  if (multi == nullptr) throw std::bad_alloc();
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &OnSocket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &multiplexer);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &OnTimer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &multiplexer);
  curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  SetMaxConnections(max_connections);
}

// Two more than bulk requests, for administration beside them.
void HttpClient::State::SetMaxConnections(std::uint32_t most) {
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(most) + 2);
}

HttpClient::State::~State() {
  const SignalBlock block;
  for (auto& [id, transfer] : transfers)
    if (transfer->easy) curl_multi_remove_handle(multi, transfer->easy.get());
  transfers.clear();
  curl_multi_cleanup(multi);
}

bool HttpClient::State::Begin(Transfer* transfer, const HttpOptions& options) {
  return Prepare(transfer, options) &&
         curl_multi_add_handle(multi, transfer->easy.get()) == CURLM_OK;
}

void HttpClient::State::CollectDone() noexcept {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;  // the message dies with the handle
    char* owner = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    auto* transfer = reinterpret_cast<Transfer*>(owner);
    transfer->code = code;
    curl_multi_remove_handle(multi, easy);
    done.push_back(transfer);
  }
}

HttpClient::HttpClient(std::uint32_t max_connections)
    : state_(std::make_unique<State>(max_connections)) {}

HttpClient::~HttpClient() = default;

void HttpClient::SetMaxConnections(std::uint32_t most) { state_->SetMaxConnections(most); }

int HttpClient::poll_fd() const { return state_->multiplexer.fd(); }
void HttpClient::Wake() noexcept { state_->multiplexer.Wake(); }

std::uint64_t HttpClient::Start(HttpRequest request, const HttpOptions& options) {
  State& s = *state_;
  auto owned = std::make_unique<Transfer>();
  Transfer* transfer = owned.get();
  transfer->id = ++s.last_id;
  transfer->request = std::move(request);
  transfer->connect_timeout = options.connect_timeout;
  transfer->request_timeout = options.request_timeout;
  s.done.reserve(s.transfers.size() + 1);
  s.transfers.emplace(transfer->id, std::move(owned));
  const SignalBlock block;
  if (!s.Begin(transfer, options)) {
    transfer->code = CURLE_OUT_OF_MEMORY;
    s.done.push_back(transfer);
    Wake();
  }
  return transfer->id;
}

void HttpClient::Pump() noexcept {
  State& s = *state_;
  const SignalBlock block;
  std::array<Multiplexer::Ready, 64> ready;
  const std::size_t count = s.multiplexer.Collect(ready.data(), ready.size());
  int running = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Multiplexer::Ready& r = ready[i];
    const int what = (r.readable ? CURL_CSELECT_IN : 0) | (r.writable ? CURL_CSELECT_OUT : 0) |
                     (r.failed ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(s.multi, r.fd < 0 ? CURL_SOCKET_TIMEOUT : r.fd, what, &running);
  }
  s.CollectDone();
}

std::vector<HttpResult> HttpClient::TakeCompleted() {
  State& s = *state_;
  std::vector<HttpResult> results;
  results.reserve(s.done.size());
  for (Transfer* transfer : s.done) {
    HttpResult result = ResultOf(transfer);
    s.transfers.erase(result.id);
    results.push_back(std::move(result));
  }
  s.done.clear();
  return results;
}

}  // namespace polyglot::net
