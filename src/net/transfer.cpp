#include "net/transfer.h"

#include <strings.h>

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

#include "net/address.h"

namespace polyglot::net {
namespace {

constexpr long kUploadBuffer = 512 * 1024;
constexpr long kKeepAliveSeconds = 30;
constexpr long kMaxIdleSeconds = 60;  // load balancers drop idle connections silently
#if LIBCURL_VERSION_NUM >= 0x075700
constexpr long kCaCacheSeconds = 30;  // a replaced CA file is noticed after this
#endif
constexpr curl_off_t kMaxRetryAfter = 600;

std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* arg) noexcept {
  auto* transfer = static_cast<Transfer*>(arg);
  const std::size_t bytes = size * count;
  if (bytes > transfer->request.response_cap - transfer->body.size()) {
    transfer->too_large = true;
    return 0;
  }
  try {
    transfer->body.append(data, bytes);
  } catch (const std::bad_alloc&) {
    transfer->out_of_memory = true;
    return 0;
  }
  return bytes;
}

std::size_t OnHeader(char* data, std::size_t size, std::size_t count, void* arg) noexcept {
  constexpr char kName[] = "x-elastic-product:";
  constexpr std::size_t kLength = sizeof kName - 1;
  auto* transfer = static_cast<Transfer*>(arg);
  const std::size_t bytes = size * count;
  transfer->answered = true;
  if (bytes <= kLength || strncasecmp(data, kName, kLength) != 0) return bytes;
  const char* begin = data + kLength;
  const char* end = data + bytes;
  while (begin < end && *begin == ' ') ++begin;
  while (end > begin && static_cast<unsigned char>(end[-1]) <= ' ') --end;
  // Short enough for the string's own buffer: cannot throw.
  const auto length = std::min<std::size_t>(static_cast<std::size_t>(end - begin), 15);
  transfer->product.assign(begin, length);
  return bytes;
}

#if LIBCURL_VERSION_NUM >= 0x075000
int OnConnected(void* arg, char*, char*, int, int) noexcept {
  static_cast<Transfer*>(arg)->connected = true;
  return CURL_PREREQFUNC_OK;
}
#endif

curl_off_t Info(CURL* easy, CURLINFO what) {
  curl_off_t value = 0;
  curl_easy_getinfo(easy, what, &value);
  return value;
}

long LongInfo(CURL* easy, CURLINFO what) {
  long value = 0;
  curl_easy_getinfo(easy, what, &value);
  return value;
}

bool BeganToSend(const Transfer& transfer) {
#if LIBCURL_VERSION_NUM >= 0x075000
  return transfer.connected;  // the size would count what was said to a proxy
#else
  return LongInfo(transfer.easy.get(), CURLINFO_REQUEST_SIZE) > 0;
#endif
}

bool IsTlsFailure(CURLcode code) {
  switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return true;
    default:
      return false;
  }
}

const char* PhaseOf(const Transfer& transfer) {
  CURL* easy = transfer.easy.get();
  if (transfer.answered) return "receiving the answer";
  if (BeganToSend(transfer)) {
    const auto size = transfer.request.body ? transfer.request.body->size() : 0;
    const bool sent = Info(easy, CURLINFO_SIZE_UPLOAD_T) >= static_cast<curl_off_t>(size);
    return sent ? "waiting for the answer" : "sending the request";
  }
  if (IsTlsFailure(transfer.code)) return "TLS handshake";
  if (Info(easy, CURLINFO_NAMELOOKUP_TIME_T) == 0) return "resolving the host name";
  // libcurl counts the handshake as part of connecting; the local port is known before it.
  const bool connected = LongInfo(easy, CURLINFO_LOCAL_PORT) > 0;
  if (transfer.by_proxy) return "connecting through the proxy";
  return connected ? "TLS handshake" : "connecting";
}

std::string Seconds(core::Time time) {
  const auto milliseconds = time.count() / 1000;
  if (milliseconds % 1000 == 0) return std::to_string(milliseconds / 1000) + " s";
  return std::to_string(milliseconds) + " ms";
}

/// The same cause gives the same text each time: libcurl's own ones hold milliseconds and byte
/// counts.
std::string CauseOf(const Transfer& transfer) {
  if (transfer.too_large)
    return "the answer is larger than " + std::to_string(transfer.request.response_cap) + " bytes";
  if (transfer.out_of_memory) return "out of memory";
  const bool connecting = !BeganToSend(transfer);
  const long refusal = LongInfo(transfer.easy.get(), CURLINFO_HTTP_CONNECTCODE);
  if (connecting && refusal >= 300) return "the proxy answered HTTP " + std::to_string(refusal);
  switch (transfer.code) {
    case CURLE_OPERATION_TIMEDOUT:
      return "timed out after " +
             Seconds(connecting ? std::min(transfer.connect_timeout, transfer.request_timeout)
                                : transfer.request_timeout);
    case CURLE_PARTIAL_FILE:
      return "the connection was closed in the middle of the answer";
    case CURLE_COULDNT_CONNECT: {
      const long error = LongInfo(transfer.easy.get(), CURLINFO_OS_ERRNO);
      if (error != 0) return std::generic_category().message(static_cast<int>(error));
      break;
    }
    default:
      if (transfer.error[0] != '\0') return transfer.error;
  }
  return curl_easy_strerror(transfer.code);
}

long WholeSeconds(core::Time time) { return static_cast<long>(time.count() / 1'000'000); }

void SetTls(CURL* easy, const HttpOptions& options) {
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, options.verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, options.verify ? 2L : 0L);
  if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  if (!options.client_cert.empty())
    curl_easy_setopt(easy, CURLOPT_SSLCERT, options.client_cert.c_str());
  if (!options.client_key.empty())
    curl_easy_setopt(easy, CURLOPT_SSLKEY, options.client_key.c_str());
#if LIBCURL_VERSION_NUM >= 0x075700
  curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, kCaCacheSeconds);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // never wait for a resolver that hangs
#endif
}

void SetTransport(CURL* easy, const HttpOptions& options) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  // Never "" (all that libcurl knows): zstd hangs some servers.
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBuffer);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kKeepAliveSeconds);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kKeepAliveSeconds);
  curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, kMaxIdleSeconds);
  // A name may get another address while the old one still answers.
  curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, WholeSeconds(options.address_lifetime));
#if LIBCURL_VERSION_NUM >= 0x075000
  curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, WholeSeconds(options.connection_lifetime));
#endif
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_timeout.count() / 1000));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(options.request_timeout.count() / 1000));
}

/// What the environment says (http_proxy, no_proxy …) never counts: a postmaster inherits it from
/// whoever happened to start it.
void SetProxy(CURL* easy, const HttpOptions& options) {
  curl_easy_setopt(easy, CURLOPT_PROXY, options.proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  if (options.proxy.empty()) return;
  curl_easy_setopt(easy, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, options.verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, options.verify ? 2L : 0L);
  if (!options.ca_file.empty())
    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, options.ca_file.c_str());
}

bool SetCredentials(CURL* easy, const HttpOptions& options) {
  if (options.user.empty()) return true;
  curl_easy_setopt(easy, CURLOPT_USERNAME, options.user.c_str());
  curl_easy_setopt(easy, CURLOPT_PASSWORD, options.password.c_str());
  if (options.aws_region.empty())
    return curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC)) == CURLE_OK;
#if LIBCURL_VERSION_NUM >= 0x074b00
  const std::string scope = "aws:amz:" + options.aws_region + ":" + options.aws_service;
  return curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, scope.c_str()) == CURLE_OK;
#else
  return false;
#endif
}

/// The address, under the name that the certificate must have.
bool SetAddress(Transfer* transfer, const HttpOptions& options) {
  CURL* easy = transfer->easy.get();
  std::string url = transfer->request.url;
  const bool tls = url.size() > 5 && (url[4] == 's' || url[4] == 'S');
  if (tls && !options.tls_server_name.empty()) {
    NamedAddress named = UnderName(url, options.tls_server_name);
    url = std::move(named.url);
    transfer->connect_to.reset(curl_slist_append(nullptr, named.connect_to.c_str()));
    if (!transfer->connect_to) return false;
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, transfer->connect_to.get());
  }
  // libcurl 7.88 signs the query as it stands.
  if (!options.aws_region.empty()) url = WithSortedQuery(url);
  return curl_easy_setopt(easy, CURLOPT_URL, url.c_str()) == CURLE_OK;
}

void SetCallbacks(CURL* easy, Transfer* transfer) {
  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
#if LIBCURL_VERSION_NUM >= 0x075000
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &OnConnected);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
#endif
}

void SetBody(CURL* easy, const HttpRequest& request) {
  if (request.body) {
    // Not copied: the transfer holds the body until it ends. Gives a Content-Length.
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body->size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body->data());
  }
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.body || request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

bool AppendHeader(Transfer* transfer, const char* header) {
  curl_slist* list = curl_slist_append(transfer->headers.get(), header);
  if (list == nullptr) return false;
  (void)transfer->headers.release();
  transfer->headers.reset(list);
  return true;
}

bool SetHeaders(Transfer* transfer, const HttpOptions& options) {
  bool ok = true;
  // A second's stall where nobody answers it. libcurl 7.88 would sign the empty header that says
  // "leave it out", so a large signed request keeps its Expect, and does not wait for an answer.
  if (options.aws_region.empty())
    ok = AppendHeader(transfer, "Expect:");
  else
    curl_easy_setopt(transfer->easy.get(), CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);
  if (!options.authorization.empty())
    ok = ok && AppendHeader(transfer, ("Authorization: " + options.authorization).c_str());
  for (const std::string& header : transfer->request.headers)
    ok = ok && AppendHeader(transfer, header.c_str());
  curl_easy_setopt(transfer->easy.get(), CURLOPT_HTTPHEADER, transfer->headers.get());
  return ok;
}

}  // namespace

bool Prepare(Transfer* transfer, const HttpOptions& options) {
  transfer->easy.reset(curl_easy_init());
  if (!transfer->easy) return false;
  CURL* easy = transfer->easy.get();
  SetTransport(easy, options);
  SetProxy(easy, options);
  transfer->by_proxy = !options.proxy.empty();
  SetTls(easy, options);
  SetCallbacks(easy, transfer);
  SetBody(easy, transfer->request);
  return SetAddress(transfer, options) && SetCredentials(easy, options) &&
         SetHeaders(transfer, options);
}

HttpResult ResultOf(Transfer* transfer) {
  HttpResult result;
  result.id = transfer->id;
  result.ok = transfer->code == CURLE_OK;
  result.too_large = transfer->too_large;
  result.out_of_memory = transfer->out_of_memory || transfer->code == CURLE_OUT_OF_MEMORY;
  result.body = std::move(transfer->body);
  result.product = std::move(transfer->product);
  CURL* easy = transfer->easy.get();
  if (easy == nullptr) {
    result.may_have_been_sent = false;
    result.error = "starting the request: out of memory";
    result.out_of_memory = true;
    return result;
  }
  result.status = static_cast<int>(LongInfo(easy, CURLINFO_RESPONSE_CODE));
  result.latency = core::Time{Info(easy, CURLINFO_TOTAL_TIME_T)};
  result.may_have_been_sent = BeganToSend(*transfer);
  result.timed_out = transfer->code == CURLE_OPERATION_TIMEDOUT;
  const curl_off_t wait = std::min(Info(easy, CURLINFO_RETRY_AFTER), kMaxRetryAfter);
  result.retry_after = core::Time{wait * 1'000'000};
  if (!result.ok) result.error = std::string(PhaseOf(*transfer)) + ": " + CauseOf(*transfer);
  return result;
}

}  // namespace polyglot::net
