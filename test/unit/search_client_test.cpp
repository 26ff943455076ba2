#include "net/search_client.h"

#include <poll.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "core/search/server_info.h"
#include "loopback_server.h"

namespace polyglot::net {
namespace {

core::Time Now() {
  return std::chrono::duration_cast<core::Time>(
      std::chrono::steady_clock::now().time_since_epoch());
}

ConnectionConfig ConfigFor(std::vector<std::string> urls) {
  ConnectionConfig config;
  config.urls = std::move(urls);
  config.request_timeout = core::Time{5'000'000};
  return config;
}

std::vector<Response> Wait(SearchClient* client) {
  for (int i = 0; i < 100; ++i) {
    pollfd p{.fd = client->poll_fd(), .events = POLLIN, .revents = 0};
    poll(&p, 1, 100);
    client->Pump();
    auto responses = client->TakeCompleted();
    if (!responses.empty()) return responses;
  }
  ADD_FAILURE() << "no response";
  return {Response{}};
}

TEST(SearchClient, BulkRequestAsServersWantIt) {
  std::string seen;
  LoopbackServer server([&](Connection& c) {
    seen = c.Read();
    c.Answer(200, "{}", "X-elastic-product: Elasticsearch\r\n");
  });
  ConnectionConfig config = ConfigFor({server.url() + "/prefix/"});
  config.api_key = "c2VjcmV0\n";
  config.opaque_id = "polyglot_sync/my shop/search";
  SearchClient client(config, 1);
  const auto id = client.StartBulk(std::make_shared<const std::string>("{}\n"), 1, Now());
  EXPECT_EQ(client.InFlight(), 1u);
  const Response response = Wait(&client).at(0);
  EXPECT_EQ(client.InFlight(), 0u);
  EXPECT_EQ(response.request, id);
  EXPECT_TRUE(response.reply.transport_ok);
  EXPECT_EQ(response.reply.status, 200);
  EXPECT_EQ(response.reply.body, "{}");
  EXPECT_EQ(response.product, "elasticsearch");
  EXPECT_EQ(seen.find("POST /prefix/_bulk?timeout=3s&filter_path=errors,items.*.status,"
                      "items.*._index,items.*.result,items.*.failure_store,items.*.error.type,"
                      "items.*.error.reason,"
                      "items.*.error.caused_by.reason HTTP/1.1\r\n"),
            0u)
      << seen;
  EXPECT_NE(seen.find("Content-Type: application/x-ndjson\r\n"), std::string::npos);
  EXPECT_NE(seen.find("Authorization: ApiKey c2VjcmV0\r\n"), std::string::npos);
  EXPECT_NE(seen.find("X-Opaque-Id: polyglot_sync/my_shop/search\r\n"), std::string::npos);
}

TEST(SearchClient, OtherRequests) {
  std::string seen;
  LoopbackServer server([&](Connection& c) {
    for (std::string r = c.Read(); !r.empty(); r = c.Read()) {
      seen = r;
      c.Answer(200, "{}");
    }
  });
  ConnectionConfig config = ConfigFor({server.url()});
  config.bearer_token = "tok";
  SearchClient client(config, 1);
  client.Start("PUT", "/i", "{\"a\":1}", Now());
  Wait(&client);
  EXPECT_EQ(seen.find("PUT /i HTTP/1.1\r\n"), 0u);
  EXPECT_NE(seen.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_NE(seen.find("Authorization: Bearer tok\r\n"), std::string::npos);
  EXPECT_NE(seen.find("\r\n\r\n{\"a\":1}"), std::string::npos);
  client.Start("POST", "/i/_refresh", "", Now());
  Wait(&client);
  EXPECT_EQ(seen.find("POST /i/_refresh HTTP/1.1\r\n"), 0u);
  EXPECT_EQ(seen.find("Content-Type"), std::string::npos);
  EXPECT_NE(seen.find("Content-Length: 0\r\n"), std::string::npos);
  client.Start("DELETE", "/i", "", Now());
  Wait(&client);
  EXPECT_EQ(seen.find("DELETE /i HTTP/1.1\r\n"), 0u);
  client.Start("HEAD", "/i", "", Now());
  EXPECT_EQ(Wait(&client).at(0).reply.status, 200);
  client.Start("GET", "/i", "", Now());
  EXPECT_EQ(Wait(&client).at(0).product, "opensearch");
}

TEST(SearchClient, ARefusalSaysNothingAboutTheProduct) {
  LoopbackServer server(LoopbackServer::Always(401, "Unauthorized"));
  SearchClient client(ConfigFor({server.url()}), 1);
  client.Start("GET", "/", "", Now());
  const Response response = Wait(&client).at(0);
  EXPECT_EQ(response.reply.status, 401);
  EXPECT_EQ(response.product, "");
  EXPECT_EQ(client.Nodes().at(0).state, "healthy");
}

TEST(SearchClient, OneOfTwoNodesDead) {
  LoopbackServer server(LoopbackServer::Always(200, "{}"));
  const std::string dead = ClosedUrl();
  SearchClient client(ConfigFor({dead, server.url()}), 1);
  const auto id = client.Start("PUT", "/i", "{}", Now());
  const Response first = Wait(&client).at(0);
  EXPECT_EQ(first.request, id);
  EXPECT_TRUE(first.reply.transport_ok) << "a node that did not get it costs no error";
  EXPECT_EQ(first.node, 1u);
  EXPECT_EQ(client.InFlight(), 0u);
  EXPECT_EQ(client.Nodes().at(0).last_error, dead + ": connecting: Connection refused");
  EXPECT_EQ(client.Nodes().at(0).state, "dead");
  EXPECT_GT(client.Nodes().at(0).backoff_until, core::Time{0});
  EXPECT_EQ(client.BlockedUntil(Now()), core::kNever);
  for (int i = 0; i < 3; ++i) {
    client.Start("GET", "/", "", Now());
    const Response response = Wait(&client).at(0);
    EXPECT_TRUE(response.reply.transport_ok);
    EXPECT_EQ(response.node, 1u);
  }
  client.ResetBackoff();
  client.Start("GET", "/", "", Now());
  EXPECT_EQ(client.Nodes().at(0).state, "probing");
  EXPECT_EQ(Wait(&client).at(0).node, 1u);
  EXPECT_EQ(client.Nodes().at(0).state, "dead");
}

TEST(SearchClient, AllNodesDeadAnswersAtOnce) {
  const std::string dead = ClosedUrl();
  SearchClient client(ConfigFor({dead}), 1);
  client.Start("GET", "/", "", Now());
  Wait(&client);
  EXPECT_NE(client.BlockedUntil(Now()), core::kNever);
  const auto id = client.Start("GET", "/", "", Now());
  const Response response = Wait(&client).at(0);
  EXPECT_EQ(response.request, id);
  EXPECT_FALSE(response.reply.may_have_been_sent);
  EXPECT_EQ(response.reply.transport_error, dead + ": connecting: Connection refused");
  client.StartOnNode(0, "GET", "/", Now());
  EXPECT_EQ(Wait(&client).at(0).reply.transport_error, dead + ": connecting: Connection refused");
}

TEST(SearchClient, GatewayErrorsMarkTheNodeDead) {
  LoopbackServer server(LoopbackServer::Always(503, ""));
  SearchClient client(ConfigFor({server.url()}), 1);
  client.Start("GET", "/", "", Now());
  EXPECT_EQ(Wait(&client).at(0).reply.status, 503);
  EXPECT_EQ(client.Nodes().at(0).state, "dead");
  EXPECT_EQ(client.Nodes().at(0).last_error, "HTTP 503");
}

TEST(SearchClient, NewAddressesWhileARequestIsInFlight) {
  LoopbackServer slow([](Connection& c) { c.Hang(); });
  LoopbackServer server(LoopbackServer::Always(200, "{}"));
  ConnectionConfig config = ConfigFor({slow.url()});
  config.request_timeout = core::Time{300'000};
  SearchClient client(config, 1);
  client.Start("GET", "/", "", Now());
  client.Pump();
  config.urls = {server.url()};
  client.Reconfigure(config);
  client.Start("GET", "/", "", Now());
  std::size_t good = 0, bad = 0;
  while (good + bad < 2)
    for (const Response& r : Wait(&client)) ++(r.reply.transport_ok ? good : bad);
  EXPECT_EQ(good, 1u);
  EXPECT_EQ(client.Nodes().at(0).state, "healthy") << "the old node's failure is not the new one's";
}

TEST(SearchClient, ALateAnswerOfAFormerAddressTellsNoProduct) {
  std::atomic<bool> moved{false};
  LoopbackServer slow([&moved](Connection& c) {
    if (c.Read().empty()) return;
    while (!moved) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    c.Answer(200, "{}", "X-Elastic-Product: Elasticsearch\r\n");
  });
  LoopbackServer server(LoopbackServer::Always(200, "{}"));
  ConnectionConfig config = ConfigFor({slow.url()});
  SearchClient client(config, 1);
  client.Start("GET", "/", "", Now());
  client.Pump();
  config.urls = {server.url()};
  client.Reconfigure(config);
  moved = true;
  (void)Wait(&client);
  client.Start("GET", "/", "", Now());
  EXPECT_EQ(Wait(&client).at(0).product, "opensearch");
}

TEST(SearchClient, WhatBecameUnusableIsNotSentElsewhere) {
  LoopbackServer hung([](Connection& c) { c.Hang(); });
  LoopbackServer server(LoopbackServer::Always(200, "{}"));
  ConnectionConfig config = ConfigFor({hung.url(), server.url()});
  config.request_timeout = core::Time{300'000};
  SearchClient client(config, 1);
  for (int i = 0; i < 2; ++i) client.Start("GET", "/", "", Now());  // one to each node
  client.Pump();
  config.unusable = "no region";
  client.Reconfigure(config);
  std::size_t good = 0, bad = 0;
  while (good + bad < 2)
    for (const Response& r : Wait(&client)) ++(r.reply.transport_ok ? good : bad);
  EXPECT_EQ(bad, 1u);
}

TEST(SearchClient, MissingFilesAreErrorsWithoutSecrets) {
  LoopbackServer server(LoopbackServer::Always(200, "{}"));
  std::string url = server.url();
  url.replace(0, 4, "https");
  ConnectionConfig config = ConfigFor({url});
  config.ca_file = "/nonexistent/ca.pem";
  config.user = "u";
  config.password = "hush";
  SearchClient client(config, 1);
  client.Start("GET", "/", "", Now());
  const Response response = Wait(&client).at(0);
  EXPECT_FALSE(response.reply.transport_ok);
  EXPECT_EQ(response.reply.transport_error.find("hush"), std::string::npos);
  EXPECT_NE(response.reply.transport_error.find("TLS"), std::string::npos)
      << response.reply.transport_error;
}

TEST(SearchClient, EncodePath) {
  EXPECT_EQ(SearchClient::EncodePath("products-000001"), "products-000001");
  EXPECT_EQ(SearchClient::EncodePath("a/b c%ü"), "a%2Fb%20c%25%C3%BC");
}

}  // namespace
}  // namespace polyglot::net
