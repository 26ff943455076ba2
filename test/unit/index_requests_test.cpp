#include "core/search/index_requests.h"

#include <gtest/gtest.h>

#include "core/json_reader.h"
#include "core/search/point_in_time.h"
#include "core/search/server_info.h"

namespace polyglot::core {
namespace {

TEST(IndexBody, AliasActions) {
  EXPECT_EQ(
      AliasBody({.alias = "p", .index = "p-2", .remove_from = {"p-1"}, .remove_index = {"p"}}),
      R"({"actions":[{"remove_index":{"index":"p"}},{"remove":{"index":"p-1","alias":"p"}},)"
      R"({"add":{"index":"p-2","alias":"p"}}]})");
}

TEST(IndexBody, ParsesDescriptions) {
  const auto r = ParseIndices(
      R"({"p-1":{"aliases":{"p":{},"q":{"is_write_index":true}},"mappings":{"_meta":)"
      R"({"polyglot_sync":{"sync":"products","n":3}}},"settings":{"index":{"uuid":"U1"}}},)"
      R"("p-2":{"settings":{"index":{"uuid":"U2"}}}})");
  ASSERT_TRUE(r.ok());
  ASSERT_EQ(r.value().size(), 2u);
  EXPECT_EQ(r.value()[0].name, "p-1");
  EXPECT_EQ(r.value()[0].uuid, "U1");
  EXPECT_EQ(r.value()[0].aliases, (std::vector<std::string>{"p", "q"}));
  EXPECT_EQ(r.value()[0].meta, (MetaPairs{{"sync", "products"}}));
  EXPECT_EQ(r.value()[1].uuid, "U2");
  EXPECT_EQ(r.value()[0].mapping, R"({"_meta":{"polyglot_sync":{"sync":"products","n":3}}})");
  EXPECT_EQ(r.value()[1].mapping, "");
  EXPECT_TRUE(ParseIndices("{}").value().empty());
  for (const char* bad : {"", "[]", R"({"a":1})", "<html>"}) EXPECT_FALSE(ParseIndices(bad).ok());
}

TEST(PointInTime, PathsAndBodies) {
  EXPECT_EQ(OpenPitPath(Product::kElasticsearch, "i", "2m"), "/i/_pit?keep_alive=2m");
  EXPECT_EQ(OpenPitPath(Product::kOpenSearch, "i", "2m"), "/i/_search/point_in_time?keep_alive=2m");
  EXPECT_EQ(ClosePitBody(Product::kElasticsearch, "x"), R"({"id":"x"})");
  EXPECT_EQ(ClosePitBody(Product::kOpenSearch, "x"), R"({"pit_id":["x"]})");
  EXPECT_EQ(PitSearchBody("x", "2m", 10, WalkOrder::kShardDoc, "[3]"),
            R"({"size":10,"pit":{"id":"x","keep_alive":"2m"},"sort":[{"_shard_doc":"asc"}],)"
            R"("search_after":[3],"_source":false,"version":true,"track_total_hits":false})");
  EXPECT_EQ(ParsePitId(R"({"id":"x"})").value(), "x");
  EXPECT_EQ(ParsePitId(R"({"pit_id":"x","_shards":{"failed":0}})").value(), "x");
  for (const char* bad :
       {"", "{}", R"({"id":""})", R"({"id":3})", R"({"pit_id":"x","_shards":{"failed":1}})"})
    EXPECT_FALSE(ParsePitId(bad).ok()) << bad;
}

TEST(PointInTime, OrderThatIsUniqueOverShards) {
  EXPECT_EQ(WalkOrderFor(Product::kElasticsearch, "7.17.29"), WalkOrder::kShardDoc);
  EXPECT_EQ(WalkOrderFor(Product::kOpenSearch, "2.19.5"), WalkOrder::kIdDoc);
  EXPECT_EQ(WalkOrderFor(Product::kOpenSearch, "3.2.0"), WalkOrder::kIdDoc);
  EXPECT_EQ(WalkOrderFor(Product::kOpenSearch, "3.8.0"), WalkOrder::kShardDoc);
  EXPECT_EQ(WalkOrderFor(Product::kOpenSearch, ""), WalkOrder::kIdDoc);
}

TEST(PointInTime, Pages) {
  const auto page =
      ParseWalkPage(R"({"pit_id":"y","timed_out":false,"_shards":{"failed":0},"hits":{"hits":[)"
                    R"({"_id":"1","_version":9223372036854775807,"sort":[1]},)"
                    R"({"_id":"2","_version":5,"_routing":"r","sort":["a\"b",4294967297]}]}})");
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page.value().hits.size(), 2u);
  EXPECT_EQ(page.value().hits[0].version, 9223372036854775807u);
  EXPECT_EQ(page.value().hits[0].routing, std::nullopt);
  EXPECT_EQ(page.value().hits[1].routing, "r");
  EXPECT_EQ(page.value().search_after, R"(["a\"b",4294967297])");
  EXPECT_EQ(page.value().pit_id, "y");
  EXPECT_TRUE(ParseWalkPage(R"({"hits":{"hits":[]}})").value().hits.empty());
  for (const char* bad :
       {"", "{}", R"({"hits":{}})", R"({"timed_out":true,"hits":{"hits":[]}})",
        R"({"_shards":{"failed":1},"hits":{"hits":[]}})", R"({"hits":{"hits":[{"_id":"1"}]}})",
        R"({"hits":{"hits":[{"_id":"1","_version":1}]}})",
        R"({"hits":{"hits":[{"_id":1,"_version":1,"sort":[1]}]}})"})
    EXPECT_FALSE(ParseWalkPage(bad).ok()) << bad;
}

TEST(PointInTime, LongIdsSurvive) {
  const std::string id(50'000, 'x');
  EXPECT_EQ(ParseWalkPage("{\"pit_id\":\"" + id + "\",\"hits\":{\"hits\":[]}}").value().pit_id, id);
}

TEST(Server, ProductAndVersion) {
  const auto es = ParseServerVersion(
      R"({"cluster_name":"c","nodes":{"x":{"version":"8.19.9","build_flavor":"default"}}})", "");
  EXPECT_EQ(es.value().product, Product::kElasticsearch);
  EXPECT_EQ(es.value().version, "8.19.9");
  EXPECT_EQ(es.value().cluster, "c");
  EXPECT_EQ(ParseServerVersion(R"({"nodes":{"x":{"version":"2.19.5"}}})", "").value().product,
            Product::kOpenSearch);
  EXPECT_EQ(ParseServerVersion(R"({"nodes":{"x":{"version":"7.17.0"}}})", "Elasticsearch")
                .value()
                .product,
            Product::kElasticsearch);
  for (const char* bad : {"", "{}", R"({"nodes":{}})", R"({"nodes":{"x":{}}})"})
    EXPECT_FALSE(ParseServerVersion(bad, "").ok()) << bad;
  EXPECT_EQ(ParseClusterHealth(R"({"cluster_name":"c","status":"green"})").value().status, "green");
  EXPECT_FALSE(ParseClusterHealth("{}").ok());
}

}  // namespace
TEST(ChangeOfAlias, TakesItFromWhoeverHasIt) {
  const auto holders = ParseIndices(
      R"({"t-000001":{"aliases":{"t":{},"other":{}}},"t-000002":{"aliases":{}},"x":{"aliases":{}}})");
  ASSERT_TRUE(holders.ok());
  EXPECT_TRUE(HasAlias(holders.value()[0], "t"));
  EXPECT_FALSE(HasAlias(holders.value()[1], "t"));
  const AliasChange change = ChangeOfAlias("t", "t-000002", holders.value());
  EXPECT_EQ(change.index, "t-000002");
  EXPECT_EQ(change.remove_from, std::vector<std::string>{"t-000001"});
  EXPECT_TRUE(change.remove_index.empty());
}

TEST(ChangeOfAlias, DoneTwiceItChangesNothing) {
  const auto holders = ParseIndices(R"({"t-000002":{"aliases":{"t":{}}}})");
  const AliasChange change = ChangeOfAlias("t", "t-000002", holders.value());
  EXPECT_TRUE(change.remove_from.empty());
  EXPECT_TRUE(change.remove_index.empty());
}

TEST(ChangeOfAlias, AnIndexOfThatNameGoes) {
  const auto holders = ParseIndices(R"({"t":{"aliases":{}}})");
  EXPECT_EQ(ChangeOfAlias("t", "t-000001", holders.value()).remove_index,
            std::vector<std::string>{"t"});
}

TEST(ParseCount, NeedsEveryShard) {
  EXPECT_EQ(ParseCount(R"({"count":42,"_shards":{"failed":0}})").value(), 42);
  EXPECT_FALSE(ParseCount(R"({"count":42,"_shards":{"failed":1}})").ok());
  EXPECT_FALSE(ParseCount(R"({"error":"x"})").ok());
  EXPECT_FALSE(ParseCount("<html>").ok());
}

TEST(SaysMissing, InTheWordsOfASearchServerOnly) {
  EXPECT_TRUE(SaysMissing(R"({"error":{"type":"index_not_found_exception"},"status":404})"));
  EXPECT_TRUE(SaysMissing(R"({"_index":"l","_id":"a","found":false})"));
  for (const char* other :
       {R"({"message":"no Route matched with those values"})", R"({"error":"Not Found"})",
        R"({"error":{"code":404,"message":"Requested entity was not found."}})",
        R"({"found":true})", "{}", "[]", "", "404 page not found"})
    EXPECT_FALSE(SaysMissing(other)) << other;
}

TEST(RefreshSettingBody, BringsBackWhatWasThere) {
  EXPECT_EQ(RefreshSettingBody(R"({"t-000002":{"settings":{"index":{"refresh_interval":"5s"}}}})")
                .value(),
            R"({"index.refresh_interval":"5s"})");
  EXPECT_EQ(RefreshSettingBody("{}").value(), R"({"index.refresh_interval":null})");
  EXPECT_FALSE(RefreshSettingBody("<html>").ok());
}

TEST(ParseIndices, NestingWithoutEndIsRefused) {
  constexpr int kLevels = 200'000;
  std::string deep;
  for (int i = 0; i < kLevels; ++i) deep += R"({"a":)";
  deep += "1" + std::string(kLevels, '}');
  EXPECT_FALSE(ParseIndices(R"({"t-000001":{"mappings":{"_meta":)" + deep + "}}}").ok());
  const std::string braces = R"({"t-000001":{"mappings":{"_meta":{"a":")" + std::string(2000, '{');
  EXPECT_TRUE(ParseIndices(braces + R"(\""}}}})").ok()) << "text is no nesting";
}

TEST(ContentRules, WhatKeepsDocumentsFromEqualRows) {
  const auto rules = [](const std::string& source, const std::string& settings) {
    const auto parsed = ParseContentRules(R"({"i-1":{"mappings":{"_source":)" + source +
                                          R"(},"settings":{"index":)" + settings + "}}}");
    EXPECT_TRUE(parsed.ok());
    return parsed.ok() ? parsed.value() : ContentRules{};
  };
  EXPECT_EQ(rules("{}", "{}").incomparable, "");
  EXPECT_EQ(rules(R"({"enabled":false})", "{}").incomparable, "_source is disabled");
  EXPECT_EQ(rules(R"({"excludes":["a"]})", "{}").incomparable, "_source leaves out fields");
  EXPECT_EQ(rules(R"({"includes":["a"]})", "{}").incomparable, "_source leaves out fields");
  EXPECT_EQ(rules(R"({"excludes":[]})", "{}").incomparable, "");
  EXPECT_EQ(rules(R"({"mode":"synthetic"})", "{}").incomparable, "_source is synthetic");
  EXPECT_EQ(rules("{}", R"({"mapping":{"source":{"mode":"SYNTHETIC"}}})").incomparable,
            "_source is synthetic");
  EXPECT_EQ(rules("{}", R"({"mapping":{"source":{"mode":"stored"}}})").incomparable, "");
  EXPECT_EQ(rules("{}", R"({"default_pipeline":"p","final_pipeline":"_none"})").pipelines, "\"p\"");
  EXPECT_EQ(ParseContentRules("{}").value().incomparable, "");
  EXPECT_FALSE(ParseContentRules("[]").ok());
}

}  // namespace polyglot::core
