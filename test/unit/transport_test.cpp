// Names that change, resolvers and servers that hang, proxies, what the environment says.
#include <netdb.h>
#include <poll.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "loopback_server.h"
#include "net/http_client.h"
#include "net/search_client.h"

namespace {

std::atomic<std::uint32_t> address_of_moving{0};  // network byte order
std::atomic<int> resolved{0};
std::atomic<bool> resolver_hangs{false};

addrinfo* LoopbackAddress(std::uint32_t address, const char* port) {
  struct Found {
    addrinfo info{};
    sockaddr_in address{};
  };
  auto* found = static_cast<Found*>(std::calloc(1, sizeof(Found)));
  found->address.sin_family = AF_INET;
  found->address.sin_addr.s_addr = address;
  found->address.sin_port = htons(static_cast<std::uint16_t>(port ? std::atoi(port) : 0));
  found->info.ai_family = AF_INET;
  found->info.ai_socktype = SOCK_STREAM;
  found->info.ai_protocol = IPPROTO_TCP;
  found->info.ai_addr = reinterpret_cast<sockaddr*>(&found->address);
  found->info.ai_addrlen = sizeof found->address;
  return &found->info;
}

}  // namespace

// libcurl finds this one before the C library's: a name whose address the test changes.
extern "C" int getaddrinfo(const char* host, const char* port, const addrinfo*,
                           addrinfo** found) noexcept {
  if (host == nullptr) return EAI_NONAME;
  if (std::strcmp(host, "moving.test") == 0) {
    ++resolved;
    while (resolver_hangs) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    *found = LoopbackAddress(address_of_moving, port);
    return 0;
  }
  in_addr address;
  if (inet_pton(AF_INET, host, &address) != 1) return EAI_NONAME;
  *found = LoopbackAddress(address.s_addr, port);
  return 0;
}

extern "C" void freeaddrinfo(addrinfo* found) noexcept { std::free(found); }

namespace polyglot::net {
namespace {

using std::chrono::steady_clock;

core::Time Now() {
  return std::chrono::duration_cast<core::Time>(steady_clock::now().time_since_epoch());
}

class TransportTest : public ::testing::Test {
 protected:
  TransportTest() : client(4) {
    options.request_timeout = core::Time{5'000'000};
    address_of_moving = htonl(INADDR_LOOPBACK);
  }
  ~TransportTest() override { resolver_hangs = false; }

  HttpResult Run(const std::string& url) {
    client.Start({.method = "GET", .url = url, .headers = {}, .body = nullptr}, options);
    for (const auto end = steady_clock::now() + std::chrono::seconds(10);
         steady_clock::now() < end;) {
      pollfd p{.fd = client.poll_fd(), .events = POLLIN, .revents = 0};
      poll(&p, 1, 1000);
      const auto begin = steady_clock::now();
      client.Pump();
      longest_pump = std::max(longest_pump, steady_clock::now() - begin);
      auto results = client.TakeCompleted();
      if (!results.empty()) return results[0];
    }
    ADD_FAILURE() << "no result";
    return {};
  }

  static std::string Port(const std::string& url) { return url.substr(url.rfind(':')); }

  HttpClient client;
  HttpOptions options;
  steady_clock::duration longest_pump{0};
};

TEST_F(TransportTest, ANewAddressIsUsed) {
  options.address_lifetime = options.connection_lifetime = core::Time{1'000'000};
  LoopbackServer server(LoopbackServer::Always(200, "{}"));
  const std::string url = "http://moving.test" + Port(server.url());
  ASSERT_TRUE(Run(url).ok);
  address_of_moving = htonl(0x7f000063);  // 127.0.0.99: nothing listens there
  const auto end = steady_clock::now() + std::chrono::seconds(20);
  HttpResult result = Run(url);
  while (result.ok && steady_clock::now() < end) result = Run(url);
  EXPECT_FALSE(result.ok) << "neither the address nor the connection is kept for ever";
  EXPECT_EQ(result.error, "connecting: Connection refused");
}

TEST_F(TransportTest, AResolverThatHangsBlocksNobody) {
  options.connect_timeout = core::Time{200'000};
  resolver_hangs = true;
  const int before = resolved;
  const HttpResult result = Run("http://moving.test:9/");
  EXPECT_EQ(result.error, "resolving the host name: timed out after 200 ms");
  EXPECT_FALSE(result.may_have_been_sent);
  EXPECT_EQ(resolved, before + 1);
  EXPECT_LT(longest_pump, std::chrono::milliseconds(150));
}

TEST_F(TransportTest, ConnectingTimesOut) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::vector<int> waiting;  // they fill the queue that nobody empties
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)connect(waiting.back(), reinterpret_cast<sockaddr*>(&address), size);
  }
  options.connect_timeout = core::Time{200'000};
  const HttpResult result = Run("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  EXPECT_EQ(result.error, "connecting: timed out after 200 ms");
  EXPECT_FALSE(result.may_have_been_sent);
  for (int fd : waiting) close(fd);
  close(listener);
}

TEST_F(TransportTest, AnAnswerThatTricklesIsCut) {
  options.request_timeout = core::Time{500'000};
  LoopbackServer server([](Connection& c) {
    c.Read();
    c.Write("HTTP/1.1 200 OK\r\n\r\n");
    while (c.Write(" ")) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  EXPECT_EQ(Run(server.url()).error, "receiving the answer: timed out after 500 ms");
}

TEST_F(TransportTest, OnlyTheConfiguredProxyCounts) {
  std::string seen;
  LoopbackServer proxy([&](Connection& c) {
    seen = c.Read();
    c.Answer(200, "by proxy");
  });
  LoopbackServer server(LoopbackServer::Always(200, "direct"));
  setenv("http_proxy", proxy.url().c_str(), 1);
  setenv("all_proxy", proxy.url().c_str(), 1);
  EXPECT_EQ(Run(server.url()).body, "direct");
  unsetenv("http_proxy");
  unsetenv("all_proxy");
  setenv("no_proxy", "*", 1);
  options.proxy = proxy.url();
  EXPECT_EQ(Run(server.url() + "/x").body, "by proxy");
  unsetenv("no_proxy");
  EXPECT_EQ(seen.find("GET " + server.url() + "/x HTTP/1.1\r\n"), 0u) << seen;
}

TEST_F(TransportTest, AProxyThatRefusesSeesNoCredentials) {
  std::string seen;
  LoopbackServer proxy([&](Connection& c) {
    seen = c.Read();
    c.Answer(407, "no");
  });
  options.proxy = proxy.url();
  options.authorization = "ApiKey hush";
  const HttpResult result = Run("https://moving.test:9200/x");
  EXPECT_FALSE(result.ok);
  EXPECT_FALSE(result.may_have_been_sent);
  EXPECT_EQ(result.error, "connecting through the proxy: the proxy answered HTTP 407");
  EXPECT_EQ(seen.find("CONNECT moving.test:9200 HTTP/1.1\r\n"), 0u) << seen;
  EXPECT_EQ(seen.find("hush"), std::string::npos);
}

ConnectionConfig ConfigFor(std::vector<std::string> urls) {
  ConnectionConfig config;
  config.urls = std::move(urls);
  config.request_timeout = core::Time{5'000'000};
  return config;
}

Response Answer(SearchClient* client) {
  for (int i = 0; i < 100; ++i) {
    pollfd p{.fd = client->poll_fd(), .events = POLLIN, .revents = 0};
    poll(&p, 1, 100);
    client->Pump();
    auto responses = client->TakeCompleted();
    if (!responses.empty()) return responses[0];
  }
  ADD_FAILURE() << "no response";
  return {};
}

TEST(SearchClientTransport, LargeBulkBodiesArePacked) {
  std::string seen;
  LoopbackServer server([&](Connection& c) {
    for (std::string r = c.Read(); !r.empty(); r = c.Read()) {
      seen = r;
      c.Answer(200, "{}");
    }
  });
  ConnectionConfig config = ConfigFor({server.url()});
  config.gzip = true;
  SearchClient client(config, 1);
  client.StartBulk(std::make_shared<const std::string>(100'000, 'x'), 1, Now());
  Answer(&client);
  EXPECT_NE(seen.find("Content-Encoding: gzip\r\n"), std::string::npos);
  EXPECT_NE(seen.find("\r\n\r\n\x1f\x8b"), std::string::npos);
  EXPECT_LT(seen.size(), 2'000u);
  client.StartBulk(std::make_shared<const std::string>(1'000, 'x'), 1, Now());
  Answer(&client);
  EXPECT_EQ(seen.find("Content-Encoding"), std::string::npos);
}

TEST(SearchClientTransport, AnswersMayBeAsLargeAsTheirRequestsExplain) {
  LoopbackServer server(LoopbackServer::Always(200, std::string(2u << 20, ' ')));
  SearchClient client(ConfigFor({server.url()}), 1);
  const auto body = std::make_shared<const std::string>("{}\n");
  client.StartBulk(body, 100, Now());
  const Response cut = Answer(&client);
  EXPECT_TRUE(cut.reply.answer_cut);
  EXPECT_FALSE(cut.reply.transport_ok);
  EXPECT_EQ(client.Nodes().at(0).state, "healthy") << "it answered";
  client.StartBulk(body, 5000, Now());
  EXPECT_TRUE(Answer(&client).reply.transport_ok);
  client.StartBulk(std::make_shared<const std::string>(1u << 20, 'x'), 1, Now());
  EXPECT_TRUE(Answer(&client).reply.transport_ok) << "a refusal quotes the value";
  client.Start("GET", "/", "", Now());
  EXPECT_TRUE(Answer(&client).reply.transport_ok);
}

TEST(SearchClientTransport, ABulkRequestThatANodeMayHaveGotIsNotSentTwiceByItself) {
  LoopbackServer bad([](Connection& c) { c.Read(); });
  LoopbackServer good(LoopbackServer::Always(200, "{}"));
  SearchClient client(ConfigFor({bad.url(), good.url()}), 1);
  client.StartBulk(std::make_shared<const std::string>("{}\n"), 1, Now());
  const Response response = Answer(&client);
  EXPECT_FALSE(response.reply.transport_ok);
  EXPECT_TRUE(response.reply.other_node);
  client.ResetBackoff();
  client.Start("GET", "/", "", Now());
  EXPECT_TRUE(Answer(&client).reply.transport_ok) << "reading twice harms nobody";
}

TEST(SearchClientTransport, TheLastNodeHasNoOther) {
  const std::string first = ClosedUrl();
  SearchClient client(ConfigFor({first, ClosedUrl()}), 1);
  client.StartBulk(std::make_shared<const std::string>("{}\n"), 1, Now());
  const Response response = Answer(&client);
  EXPECT_FALSE(response.reply.transport_ok);
  EXPECT_FALSE(response.reply.other_node);
  EXPECT_EQ(client.InFlight(), 0u);
}

TEST(SearchClientTransport, CredentialsThatCannotBeUsedAreNotSent) {
  LoopbackServer server(LoopbackServer::Always(200, "{}"));
  ConnectionConfig config = ConfigFor({server.url()});
  config.unusable = "could not open file \"/x\": No such file or directory";
  SearchClient client(config, 1);
  client.StartBulk(std::make_shared<const std::string>("{}\n"), 1, Now());
  const Response response = Answer(&client);
  EXPECT_EQ(response.reply.transport_error, config.unusable);
  EXPECT_FALSE(response.reply.other_node);
  client.StartOnNode(0, "GET", "/", Now());
  EXPECT_EQ(Answer(&client).reply.transport_error, config.unusable);
  EXPECT_EQ(server.connections(), 0);
  config.unusable.clear();
  client.Reconfigure(config);
  client.Start("GET", "/", "", Now());
  EXPECT_TRUE(Answer(&client).reply.transport_ok);
}

TEST(SearchClientTransport, AnErrorNeverRepeatsASecret) {
  LoopbackServer echo([](Connection& c) {
    for (std::string r = c.Read(); !r.empty(); r = c.Read()) c.Answer(400, r + " hush u:hush");
  });
  ConnectionConfig config = ConfigFor({echo.url()});
  config.user = "u";
  config.password = "hush";
  SearchClient client(config, 1);
  client.Start("GET", "/", "", Now());
  const std::string body = Answer(&client).reply.body;
  EXPECT_NE(body.find("Authorization: Basic ***"), std::string::npos) << body;
  EXPECT_EQ(body.find("hush"), std::string::npos);
  EXPECT_EQ(body.find("dTpodXNo"), std::string::npos);
}

TEST(SearchClientTransport, SignedRequests) {
  std::string seen;
  LoopbackServer server([&](Connection& c) {
    for (std::string r = c.Read(); !r.empty(); r = c.Read()) {
      seen = r;
      c.Answer(200, "{}");
    }
  });
  ConnectionConfig config = ConfigFor({server.url()});
  config.aws_access_key = "AKID";
  config.aws_secret_key = "hush";
  config.aws_region = "eu-central-1";
  config.aws_service = "es";
  SearchClient client(config, 1);
  client.StartBulk(std::make_shared<const std::string>("{}\n"), 1, Now());
  Answer(&client);
  EXPECT_EQ(seen.find("POST /_bulk?filter_path=errors%2Citems.%2A.status%2C"), 0u) << seen;
  EXPECT_NE(seen.find("Authorization: AWS4-HMAC-SHA256 Credential=AKID/"), std::string::npos);
  EXPECT_NE(seen.find("/eu-central-1/es/aws4_request"), std::string::npos);
  EXPECT_EQ(seen.find("hush"), std::string::npos);
  EXPECT_EQ(seen.find("expect"), std::string::npos) << "a header that is not sent";
}

}  // namespace
}  // namespace polyglot::net
