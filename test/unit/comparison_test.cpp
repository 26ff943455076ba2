#include "core/verification/comparison.h"

#include <gtest/gtest.h>

#include <string>

#include "core/search/multi_get.h"

namespace polyglot::core {
namespace {

TEST(IdSearch, QuotesTheId) {
  EXPECT_EQ(IdSearchBody("a\"b"),
            R"({"query":{"ids":{"values":["a\"b"]}},"size":100,"version":true,"_source":false,)"
            R"("sort":["_doc"]})");
}

TEST(Comparison, BodyOfMultiGet) {
  EXPECT_EQ(MultiGetBody({{.id = "a\"b"}, {.id = "2", .routing = "x", .source = false}}),
            R"({"docs":[{"_id":"a\"b"},{"_id":"2","routing":"x","stored_fields":"_routing",)"
            R"("_source":false}]})");
}

TEST(Comparison, TakesSourcesAsTheyStand) {
  const std::string body =
      R"({"docs":[{"_index":"i","_id":"1","_version":7,"_routing":"r","found":true,)"
      R"("_ignored":["_version"],"_source":{"a":{"found":false},"n":1.00 }},)"
      R"({"_index":"i","_id":"2","found":false}]})";
  const auto parsed = ParseMultiGet(body, 2);
  ASSERT_TRUE(parsed.ok());
  const FoundDocument& first = parsed.value()[0];
  EXPECT_TRUE(first.found && first.has_source);
  EXPECT_EQ(first.version, 7u);
  EXPECT_EQ(first.routing, "r");
  EXPECT_EQ(first.source, R"({"a":{"found":false},"n":1.00 })");
  EXPECT_FALSE(parsed.value()[1].found);
  EXPECT_FALSE(parsed.value()[1].routing.has_value());
}

TEST(Comparison, WhatIsNoAnswerIsAnError) {
  for (const char* body :
       {"", "[]", "{}", R"({"docs":{}})", R"({"docs":{"a":{"found":true}}})", R"({"docs":[1]})",
        R"({"docs":[{"found":true}],"docs":[{"found":true}]})", R"({"x":{"y":{"found":true}}})",
        R"({"docs":[],"x":{"y":{"found":true,"_source":{},"_routing":"r","_version":1}}})",
        R"({"docs":[{"found":true},[true,{"_source":{}}]]})", R"({"docs":[{"found":true})"})
    EXPECT_FALSE(ParseMultiGet(body, 1).ok()) << body;
  std::string deep = R"({"docs":[{"found":true,"_source":)";
  for (int i = 0; i < 100'000; ++i) deep += R"({"a":)";
  EXPECT_FALSE(ParseMultiGet(deep, 1).ok());
}

TEST(Comparison, SameDocument) {
  EXPECT_TRUE(SameDocument(R"({"a":1,"b":[1,{"c":null}]})", R"({ "b" : [1,{"c":null}], "a":1})"));
  EXPECT_FALSE(SameDocument(R"({"a":1})", R"({"a":"1"})"));
  EXPECT_FALSE(SameDocument(R"({"a":1})", R"({"a":"#1"})"));
  EXPECT_FALSE(SameDocument(R"({"a":1.0})", R"({"a":1.00})"));
  EXPECT_FALSE(SameDocument(R"({"a":9007199254740993})", R"({"a":9007199254740992})"));
  EXPECT_FALSE(SameDocument(R"({"a":[1,2]})", R"({"a":[2,1]})"));
  EXPECT_FALSE(SameDocument(R"({"a":1})", R"({"a":1,"b":2})"));
  EXPECT_FALSE(SameDocument(R"({"a":true})", R"({"a":false})"));
  EXPECT_FALSE(SameDocument(R"({"a":1})", ""));
}

TEST(Comparison, NamesOfDifferingFields) {
  EXPECT_EQ(DifferingFields(R"({"a":1,"b":2,"c":3})", R"({"a":1,"b":"2","d":4})"), "b, c, d");
  EXPECT_EQ(DifferingFields(R"({"a":1})", "[]"), "");
}

TEST(Comparison, AnErrorIsThatOfItsDocument) {
  const auto parsed = ParseMultiGet(
      R"({"docs":[{"_id":"1","found":true,"_source":{"a":1}},)"
      R"({"_id":"2","error":{"root_cause":[{"type":"no_shard_available_action_exception"}]}},)"
      R"({"_id":"3","error":{"type":"routing_missing_exception","reason":"r"}}]})",
      3);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value()[0].error, "");
  EXPECT_EQ(parsed.value()[1].error, "no_shard_available_action_exception");
  EXPECT_EQ(parsed.value()[2].error, "") << "there is no document without a routing";
  EXPECT_TRUE(PassesOff(parsed.value()[1].error));
  EXPECT_FALSE(PassesOff("illegal_state_exception"));
  EXPECT_FALSE(PassesOff(""));
}

TEST(Comparison, NumbersThatNoDoubleHoldsAreReadBack) {
  const std::string digits(400, '7');
  for (const std::string& number : {std::string("1e309"), std::string("-1e400"),
                                    std::string("1E-900"), digits, "-" + digits + ".5"}) {
    const std::string source = R"({"s":"1e999","n":)" + number + R"(,"l":[)" + number + "]}";
    const std::string body = R"({"docs":[{"_id":"1","_version":17,"found":true,"_source":)" +
                             source + R"(},{"_id":"2","found":false}]})";
    const auto parsed = ParseMultiGet(body, 2);
    ASSERT_TRUE(parsed.ok()) << number;
    EXPECT_EQ(parsed.value()[0].source, source);
    EXPECT_EQ(parsed.value()[0].version, 17u);
    EXPECT_TRUE(SameDocument(R"({"n":)" + number + "}", R"({ "n" : )" + number + " }")) << number;
    EXPECT_FALSE(SameDocument(R"({"n":)" + number + "}", R"({"n":)" + number + "1}")) << number;
    EXPECT_FALSE(SameDocument(R"({"n":)" + number + "}", R"({"n":")" + number + "\"}")) << number;
    EXPECT_EQ(DifferingFields(R"({"a":1,"n":)" + number + "}", R"({"n":0,"a":1})"), "n");
  }
}

TEST(Comparison, AnAnswerThatCannotBeReadIsToldFromNone) {
  const std::string body = R"({"docs":[{"_id":"1","found":true,"_source":{"v":"\ud800"}}]})";
  EXPECT_FALSE(ParseMultiGet(body, 1).ok());
  EXPECT_TRUE(IsMultiGet(body));
  EXPECT_FALSE(IsMultiGet("<html>"));
  EXPECT_FALSE(IsMultiGet(""));
}

}  // namespace
}  // namespace polyglot::core
