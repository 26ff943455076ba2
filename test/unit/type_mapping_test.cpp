#include "core/search/type_mapping.h"

#include <gtest/gtest.h>

#include "core/json_reader.h"

namespace polyglot::core {
namespace {

// Equal as JSON, whatever the order of members.
void ExpectJson(const std::string& got, const char* wanted) {
  rapidjson::Document a, b;
  a.Parse<kTreeFlags>(got.c_str());
  b.Parse<kTreeFlags>(wanted);
  ASSERT_FALSE(b.HasParseError());
  EXPECT_TRUE(a == b) << got;
}

std::string Merged(const char* derived, const char* user) {
  Result<std::string> result = MergeMapping(derived, user);
  return result.ok() ? result.value() : "error: " + result.error().message;
}

TEST(DerivedMapping, EveryKindIsAnObject) {
  for (int kind = 0; kind <= static_cast<int>(FieldKind::kDenseVector); ++kind) {
    const FieldMapping field{"a \"b\"", static_cast<FieldKind>(kind), 3, nullptr, 0};
    rapidjson::Document document;
    document.Parse<kTreeFlags>(DerivedMapping(&field, 1).c_str());
    ASSERT_TRUE(document.IsObject());
    EXPECT_FALSE(document["dynamic"].GetBool());
    EXPECT_FALSE(document["date_detection"].GetBool());
    const auto& definition = document["properties"]["a \"b\""];
    EXPECT_TRUE(definition.HasMember("type") || definition.HasMember("properties"));
  }
}

TEST(DerivedMapping, NestedFields) {
  const FieldMapping inner[] = {{"zip", FieldKind::kKeyword, 0, nullptr, 0},
                                {"lat", FieldKind::kDouble, 0, nullptr, 0}};
  const FieldMapping outer{"address", FieldKind::kObject, 0, inner, 2};
  ExpectJson(DerivedMapping(&outer, 1), R"({"dynamic":false,"date_detection":false,"properties":{
    "address":{"properties":{"zip":{"type":"keyword","ignore_above":8191},"lat":{"type":"double"}}}}})");
  ExpectJson(DerivedMapping(nullptr, 0),
             R"({"dynamic":false,"date_detection":false,"properties":{}})");
}

TEST(DerivedMapping, DenseVector) {
  const FieldMapping sized{"v", FieldKind::kDenseVector, 384, nullptr, 0};
  ExpectJson(DerivedMapping(&sized, 1), R"({"dynamic":false,"date_detection":false,
    "properties":{"v":{"type":"dense_vector","dims":384}}})");
}

constexpr char kText[] = R"({"dynamic":false,"properties":{
  "name":{"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":8191}}}}})";

TEST(MergeMapping, AddsToADefinition) {
  ExpectJson(Merged(kText, R"({"properties":{"name":{"analyzer":"english"}}})"),
             R"({"dynamic":false,"properties":{"name":{"type":"text","analyzer":"english",
                "fields":{"keyword":{"type":"keyword","ignore_above":8191}}}}})");
  ExpectJson(Merged(kText, R"({"properties":{"name":{"type":"text","analyzer":"english"}}})"),
             R"({"dynamic":false,"properties":{"name":{"type":"text","analyzer":"english",
                "fields":{"keyword":{"type":"keyword","ignore_above":8191}}}}})");
}

TEST(MergeMapping, AnotherTypeReplaces) {
  ExpectJson(Merged(kText, R"({"properties":{"name":{"type":"wildcard"}}})"),
             R"({"dynamic":false,"properties":{"name":{"type":"wildcard"}}})");
  ExpectJson(Merged(kText, R"({"properties":{"name":{"fields":{"keyword":{"type":"wildcard"}}}}})"),
             R"({"dynamic":false,"properties":{"name":{"type":"text",
          "fields":{"keyword":{"type":"wildcard"}}}}})");
}

TEST(MergeMapping, ObjectsOfJson) {
  const char* derived = R"({"properties":{"j":{"type":"object","enabled":false}}})";
  ExpectJson(Merged(derived, R"({"properties":{"j":{"type":"nested"}}})"),
             R"({"properties":{"j":{"type":"nested"}}})");
  ExpectJson(Merged(derived, R"({"properties":{"j":{"type":"object","dynamic":true}}})"),
             R"({"properties":{"j":{"type":"object","dynamic":true}}})");
  ExpectJson(Merged(derived, R"({"properties":{"j":{"type":"object","enabled":false}}})"), derived);
}

TEST(MergeMapping, CompositesBecomeNestedWithTheirFields) {
  ExpectJson(Merged(R"({"properties":{"a":{"properties":{"zip":{"type":"keyword"}}}}})",
                    R"({"properties":{"a":{"type":"nested"}}})"),
             R"({"properties":{"a":{"properties":{"zip":{"type":"keyword"}},"type":"nested"}}})");
}

TEST(MergeMapping, RootMembersAndNull) {
  ExpectJson(Merged(kText, R"({"dynamic":"strict","_source":{"excludes":["x"]}})"),
             R"({"dynamic":"strict","_source":{"excludes":["x"]},"properties":{
                 "name":{"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":8191}}}}})");
  ExpectJson(Merged(kText, R"({"dynamic":null,"properties":{"name":{"fields":null}}})"),
             R"({"properties":{"name":{"type":"text"}}})");
  ExpectJson(Merged(UnknownMapping().c_str(), R"({"properties":{"a":{"type":"long"}}})"),
             R"({"date_detection":false,"properties":{"a":{"type":"long"}}})");
}

TEST(MergeMapping, FieldsCalledLikeKeywords) {
  ExpectJson(Merged(R"({"properties":{"properties":{"type":"keyword","ignore_above":8191}}})",
                    R"({"properties":{"properties":{"type":"long"}}})"),
             R"({"properties":{"properties":{"type":"long"}}})");
}

TEST(MergeMapping, RefusesWhatIsNoObject) {
  EXPECT_EQ(Merged(kText, "[]"), "error: mapping must be a JSON object");
  EXPECT_EQ(Merged(kText, "{"), "error: mapping must be a JSON object");
  EXPECT_FALSE(MergeMapping(kText, "1").error().hint.empty());
}

}  // namespace
}  // namespace polyglot::core
