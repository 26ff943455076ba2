#include "core/search/index_definition.h"

#include <gtest/gtest.h>

#include "core/search/index_requests.h"

namespace polyglot::core {
namespace {

const MetaPairs kMeta = {{"sync", "products"}, {"database", "shop \"1\""}};
constexpr char kOurs[] = R"("polyglot_sync":{"sync":"products","database":"shop \"1\""})";

TEST(IndexDefinition, CreateWithDefaults) {
  const auto body =
      CreateIndexBody(R"({"dynamic":false,"properties":{"a":{"type":"long"}}})", "", kMeta);
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body.value(), R"({"settings":{"index.gc_deletes":"1h"},"mappings":{"dynamic":false,)"
                          R"("properties":{"a":{"type":"long"}},"_meta":{)" +
                              std::string(kOurs) + "}}}");
}

TEST(IndexDefinition, UserSettingsWinInEverySpelling) {
  for (const char* settings : {R"({"index.gc_deletes":"2h"})", R"({"gc_deletes":"2h"})",
                               R"({"index":{"gc_deletes":"2h"}})"}) {
    const auto body = CreateIndexBody("{}", settings, kMeta);
    ASSERT_TRUE(body.ok());
    EXPECT_EQ(body.value().find("1h"), std::string::npos) << settings;
    EXPECT_NE(body.value().find(settings), std::string::npos);
  }
  const auto body = CreateIndexBody("{}", R"({"number_of_shards":3})", kMeta);
  EXPECT_NE(body.value().find(R"({"number_of_shards":3,"index.gc_deletes":"1h"})"),
            std::string::npos);
}

TEST(IndexDefinition, OtherMetaStaysOursIsWrittenAnew) {
  const auto body = MetaBody(R"({"_meta":{"x":1,"polyglot_sync":{"old":"1"}}})", kMeta);
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body.value(), R"({"_meta":{"x":1,)" + std::string(kOurs) + "}}");
  EXPECT_EQ(MetaBody("", kMeta).value(), R"({"_meta":{)" + std::string(kOurs) + "}}");
  EXPECT_TRUE(MetaBody(R"({"_meta":7})", kMeta).ok());
}

TEST(IndexDefinition, WhatUsersKeepInMetaSurvivesBeingReadAndWritten) {
  const auto r = ParseIndices(
      R"({"p":{"mappings":{"_meta":{"a":[1,{"b":null}],"polyglot_sync":{"sync":"old"}}}}})");
  EXPECT_EQ(MetaBody(r.value()[0].mapping, kMeta).value(),
            R"({"_meta":{"a":[1,{"b":null}],)" + std::string(kOurs) + "}}");
}

TEST(IndexDefinition, WhatIsNoObjectIsRefused) {
  EXPECT_FALSE(CreateIndexBody("[]", "", kMeta).ok());
  EXPECT_FALSE(CreateIndexBody("{", "", kMeta).ok());
  EXPECT_FALSE(CreateIndexBody("{}", "3", kMeta).ok());
  EXPECT_FALSE(CreateIndexBody(std::string(1'000'000, '['), "", kMeta).ok());
}

std::string ManyFields(int count) {
  std::string mapping = R"({"properties":{)";
  for (int i = 0; i < count; ++i)
    mapping += (i > 0 ? R"(,"f)" : R"("f)") + std::to_string(i) +
               R"(":{"type":"text","fields":{"keyword":{"type":"keyword"}}})";
  return mapping + "}}";
}

TEST(IndexDefinition, AMappingOfManyFieldsBringsItsLimit) {
  const auto body = CreateIndexBody(ManyFields(600), "", kMeta);
  EXPECT_NE(body.value().find(R"("index.mapping.total_fields.limit":2200)"), std::string::npos);
  EXPECT_EQ(CreateIndexBody(ManyFields(500), "", kMeta).value().find("total_fields"),
            std::string::npos);
  EXPECT_NE(CreateIndexBody(ManyFields(501), "", kMeta).value().find("total_fields"),
            std::string::npos);
}

TEST(IndexDefinition, AUsersLimitOfFieldsWinsInEverySpelling) {
  for (const char* settings :
       {R"({"index.mapping.total_fields.limit":5})", R"({"mapping.total_fields.limit":5})",
        R"({"index":{"mapping":{"total_fields":{"limit":5}}}})",
        R"({"index":{"mapping.total_fields.limit":5}})",
        R"({"index.mapping":{"total_fields.limit":5}})",
        R"({"mapping":{"total_fields":{"limit":5}}})"})
    EXPECT_EQ(CreateIndexBody(ManyFields(600), settings, kMeta).value().find("2200"),
              std::string::npos)
        << settings;
}

TEST(IndexDefinition, ShapesThatNoServerTakes) {
  for (const char* mapping :
       {R"({"mappings":{}})", R"({"a":{"type":"text"}})", R"({"properties":1})",
        R"({"properties":{"a":[]}})", R"({"properties":{"a":{"type":{}}}})",
        R"({"runtime":{"a":1}})", R"({"properties":{"a":{"fields":{"b":"c"}}}})", "[]", "{", ""})
    EXPECT_TRUE(CheckMappingShape(mapping)) << mapping;
  for (const char* settings : {R"({"settings":{}})", R"({"index":7})", R"({"aliases":{}})", "7"})
    EXPECT_TRUE(CheckSettingsShape(settings)) << settings;
}

TEST(IndexDefinition, ShapesThatServersMayTake) {
  for (const char* mapping :
       {"{}", R"({"dynamic":true})", R"({"_source":{"enabled":false}})",
        R"({"properties":{"properties":{"type":"text"},"type":{"type":"keyword"}}})",
        R"({"properties":{"mappings":{"properties":{"settings":{"type":"ip"}}}}})",
        R"({"properties":{"a":null}})", R"({"dynamic_templates":[{"a":{"mapping":{}}}]})",
        R"({"runtime":{"a":{"type":"long"}}})", R"({"subobjects":false,"something_new":{"x":1}})"})
    EXPECT_FALSE(CheckMappingShape(mapping)) << mapping;
  for (const char* settings :
       {"{}", R"({"number_of_shards":1})", R"({"index":{"analysis":{}}})", R"({"analysis":{}})"})
    EXPECT_FALSE(CheckSettingsShape(settings)) << settings;
}

}  // namespace
}  // namespace polyglot::core
