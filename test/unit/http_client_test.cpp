#include "net/http_client.h"

#include <poll.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>

#include "core/search/server_info.h"
#include "loopback_server.h"

namespace polyglot::net {
namespace {

class HttpClientTest : public ::testing::Test {
 protected:
  HttpClientTest() : client(4) { options.request_timeout = core::Time{5'000'000}; }

  static HttpRequest Get(std::string url) {
    return {.method = "GET", .url = std::move(url), .headers = {}, .body = nullptr};
  }
  static HttpRequest Post(std::string url, std::string body) {
    return {.method = "POST",
            .url = std::move(url),
            .headers = {"Content-Type: text/x"},
            .body = std::make_shared<const std::string>(std::move(body))};
  }

  HttpResult Run(HttpRequest request) {
    const std::uint64_t id = client.Start(std::move(request), options);
    std::vector<HttpResult> results;
    const auto begin = std::chrono::steady_clock::now();
    while (results.empty() && std::chrono::steady_clock::now() - begin < std::chrono::seconds(10)) {
      pollfd p{.fd = client.poll_fd(), .events = POLLIN, .revents = 0};
      poll(&p, 1, 1000);
      client.Pump();
      results = client.TakeCompleted();
    }
    EXPECT_EQ(results.size(), 1u);
    if (results.empty()) return {};
    EXPECT_EQ(results[0].id, id);
    return results[0];
  }

  HttpClient client;
  HttpOptions options;
};

TEST_F(HttpClientTest, NormalAnswerOnAKeptConnection) {
  std::string seen;
  LoopbackServer server([&](Connection& c) {
    for (std::string r = c.Read(); !r.empty(); r = c.Read()) {
      if (seen.empty()) seen = r;
      c.Answer(201, "hello", "X-Elastic-Product: Elasticsearch\r\nRetry-After: 7\r\n");
    }
  });
  options.user = "elastic";
  options.password = "pw";
  const HttpResult first = Run(Post(server.url() + "/x", "body"));
  EXPECT_TRUE(first.ok) << first.error;
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.body, "hello");
  EXPECT_EQ(first.product, "Elasticsearch");
  EXPECT_EQ(first.retry_after, core::Time{7'000'000});
  EXPECT_TRUE(Run(Get(server.url() + "/y")).ok);
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(seen.find("POST /x HTTP/1.1\r\n"), 0u);
  EXPECT_NE(seen.find("Accept-Encoding: gzip\r\n"), std::string::npos);
  EXPECT_NE(seen.find("Authorization: Basic ZWxhc3RpYzpwdw==\r\n"), std::string::npos);
  EXPECT_NE(seen.find("\r\n\r\nbody"), std::string::npos);
}

TEST_F(HttpClientTest, LargeBodyGoesWithoutExpect) {
  std::string seen;
  LoopbackServer server([&](Connection& c) {
    seen = c.Read();
    c.Answer(200, "");
  });
  const HttpResult result = Run(Post(server.url(), std::string(3u << 20, 'x')));
  EXPECT_TRUE(result.ok) << result.error;
  EXPECT_EQ(seen.find("Expect"), std::string::npos);
  EXPECT_NE(seen.find("Content-Length: 3145728\r\n"), std::string::npos);
  EXPECT_GT(seen.size(), 3u << 20);
}

TEST_F(HttpClientTest, GzipAnswerIsUnpackedAndCapped) {
  const char packed[] =
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\xaf\xca\x2c\x50\xb2\x52\xaa"
      "\x4c\x2d\x56\xaa\x05\x00\x63\x4f\x77\xe0\x0e\x00\x00\x00";
  const std::string body(packed, sizeof packed - 1);
  LoopbackServer server(LoopbackServer::Always(200, body, "Content-Encoding: gzip\r\n"));
  EXPECT_EQ(Run(Get(server.url())).body, "{\"gzip\":\"yes\"}");
  HttpRequest capped = Get(server.url());
  capped.response_cap = 5;
  EXPECT_TRUE(Run(std::move(capped)).too_large);
}

TEST_F(HttpClientTest, CutBody) {
  LoopbackServer server([](Connection& c) {
    c.Read();
    c.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"errors\":false");
  });
  const HttpResult result = Run(Get(server.url()));
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.error,
            "receiving the answer: the connection was closed in the middle of the answer");
  EXPECT_TRUE(result.may_have_been_sent);
}

TEST_F(HttpClientTest, EndlessBody) {
  LoopbackServer server([](Connection& c) {
    c.Read();
    c.Write("HTTP/1.1 200 OK\r\n\r\n");
    while (c.Write(std::string(10'000, 'x'))) {
    }
  });
  HttpRequest request = Get(server.url());
  request.response_cap = 1'000'000;
  const HttpResult result = Run(std::move(request));
  EXPECT_FALSE(result.ok);
  EXPECT_TRUE(result.too_large);
  EXPECT_EQ(result.error, "receiving the answer: the answer is larger than 1000000 bytes");
  EXPECT_LE(result.body.size(), 1'000'000u);
}

TEST_F(HttpClientTest, EndlessHeaders) {
  LoopbackServer server([](Connection& c) {
    c.Read();
    c.Write("HTTP/1.1 200 OK\r\n");
    while (c.Write("X-Y: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  EXPECT_FALSE(Run(Get(server.url())).ok);
}

TEST_F(HttpClientTest, TimeoutNamesThePhase) {
  options.request_timeout = core::Time{200'000};
  LoopbackServer silent([](Connection& c) {
    c.Read();
    c.Hang();
  });
  EXPECT_EQ(Run(Get(silent.url())).error, "waiting for the answer: timed out after 200 ms");
  LoopbackServer slow([](Connection& c) {
    c.Read();
    c.Write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx");
    c.Hang();
  });
  EXPECT_EQ(Run(Get(slow.url())).error, "receiving the answer: timed out after 200 ms");
  LoopbackServer deaf([](Connection& c) { c.Hang(); });
  EXPECT_EQ(Run(Post(deaf.url(), std::string(20u << 20, 'x'))).error,
            "sending the request: timed out after 200 ms");
}

TEST_F(HttpClientTest, ConnectionRefused) {
  const HttpResult result = Run(Get(ClosedUrl()));
  EXPECT_FALSE(result.ok);
  EXPECT_FALSE(result.may_have_been_sent);
  EXPECT_EQ(result.error, "connecting: Connection refused");
}

TEST_F(HttpClientTest, UnknownHost) {
  const HttpResult result = Run(Get("http://no-such-host.invalid:9200/"));
  EXPECT_FALSE(result.ok);
  EXPECT_FALSE(result.may_have_been_sent);
  EXPECT_EQ(result.error.find("resolving the host name: "), 0u) << result.error;
}

TEST_F(HttpClientTest, Reset) {
  LoopbackServer server([](Connection& c) {
    c.Read();
    c.Reset();
  });
  const HttpResult result = Run(Get(server.url()));
  EXPECT_FALSE(result.ok);
  EXPECT_TRUE(result.may_have_been_sent);
  EXPECT_EQ(result.error.find("waiting for the answer: "), 0u) << result.error;
}

TEST_F(HttpClientTest, ClosedWithoutAnswer) {
  LoopbackServer server([](Connection& c) { c.Read(); });
  EXPECT_EQ(Run(Get(server.url())).error, "waiting for the answer: Empty reply from server");
}

TEST_F(HttpClientTest, RedirectIsAnAnswerNotFollowed) {
  std::atomic<int> requests{0};
  LoopbackServer server([&](Connection& c) {
    while (!c.Read().empty()) {
      ++requests;
      c.Answer(302, "", "Location: /elsewhere\r\n");
    }
  });
  EXPECT_EQ(Run(Get(server.url())).status, 302);
  EXPECT_EQ(requests, 1);
}

TEST_F(HttpClientTest, OtherProtocolsAreRefused) {
  for (const char* url : {"file:///etc/hostname", "ftp://127.0.0.1/", "gopher://127.0.0.1/"}) {
    const HttpResult result = Run(Get(url));
    EXPECT_FALSE(result.ok) << url;
    EXPECT_FALSE(result.may_have_been_sent) << url;
  }
}

TEST_F(HttpClientTest, PlainServerBehindHttps) {
  const auto https = [](std::string url) { return url.replace(0, 4, "https"); };
  LoopbackServer plain([](Connection& c) { c.Answer(400, ""); });
  const HttpResult result = Run(Get(https(plain.url())));
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.error.find("TLS handshake: "), 0u) << result.error;
  options.connect_timeout = core::Time{200'000};
  LoopbackServer silent([](Connection& c) { c.Hang(); });
  EXPECT_EQ(Run(Get(https(silent.url()))).error, "TLS handshake: timed out after 200 ms");
}

TEST_F(HttpClientTest, EndsWithRequestsInFlight) {
  LoopbackServer server([](Connection& c) { c.Hang(); });
  for (int i = 0; i < 20; ++i) client.Start(Get(server.url()), options);
  client.Pump();
}

TEST_F(HttpClientTest, ManyAtOnce) {
  LoopbackServer server([](Connection& c) {
    c.Read();
    c.Answer(200, "x", "Connection: close\r\n");
  });
  for (int i = 0; i < 50; ++i) client.Start(Get(server.url()), options);
  std::size_t done = 0;
  for (int i = 0; i < 1000 && done < 50; ++i) {
    pollfd p{.fd = client.poll_fd(), .events = POLLIN, .revents = 0};
    poll(&p, 1, 100);
    client.Pump();
    for (const HttpResult& result : client.TakeCompleted()) {
      EXPECT_TRUE(result.ok) << result.error;
      ++done;
    }
  }
  EXPECT_EQ(done, 50u);
}

/// Connections that a listening socket has taken so far; nobody answers them.
class SilentServer {
 public:
  SilentServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 64), 0);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~SilentServer() {
    for (int connection : connections_) close(connection);
    close(fd_);
  }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;

  const std::string& url() const { return url_; }
  std::size_t Connections() {
    for (int next = accept(fd_, nullptr, nullptr); next >= 0; next = accept(fd_, nullptr, nullptr))
      connections_.push_back(next);
    return connections_.size();
  }

 private:
  int fd_;
  std::string url_;
  std::vector<int> connections_;
};

TEST_F(HttpClientTest, TheNumberOfConnectionsCanBeRaised) {
  SilentServer server;
  options.request_timeout = core::Time{60'000'000};  // none ends and makes room
  // Whoever is to come has come, and for a while nobody else does.
  const auto settle = [&](std::size_t expected) {
    const auto begin = std::chrono::steady_clock::now();
    for (int quiet = 0; quiet < 20;) {
      pollfd p{.fd = client.poll_fd(), .events = POLLIN, .revents = 0};
      poll(&p, 1, 10);
      client.Pump();
      const bool late = std::chrono::steady_clock::now() - begin > std::chrono::seconds(10);
      if (late || server.Connections() >= expected) ++quiet;
    }
    return server.Connections();
  };
  for (int i = 0; i < 12; ++i) client.Start(Get(server.url()), options);
  EXPECT_EQ(settle(6), 6u);  // two beside the four that it was made for
  client.SetMaxConnections(8);
  for (int i = 0; i < 2; ++i) client.Start(Get(server.url()), options);
  EXPECT_EQ(settle(8), 8u);
}

}  // namespace
}  // namespace polyglot::net
