#include "core/search/refused_index.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

std::string Body(const std::string& type, const std::string& reason) {
  return R"({"error":{"root_cause":[],"type":")" + type + R"(","reason":")" + reason +
         R"("},"status":400})";
}

TEST(JudgeRefusedIndex, LimitsOfTheClusterPass) {
  for (const char* reason :
       {"Validation Failed: 1: this action would add [2] shards, but this cluster currently has "
        "[1]/[1] maximum normal shards open, for more information, see https://w.x/8.19/y.html;",
        "Validation Failed: 1: this action would add [2] total shards, but this cluster currently "
        "has [1]/[1] maximum shards open;"}) {
    const RefusedIndex refused = JudgeRefusedIndex(400, Body("validation_exception", reason));
    EXPECT_EQ(refused.refusal, IndexRefusal::kPassing);
    EXPECT_NE(refused.reason.find(reason), std::string::npos) << "whole";
    EXPECT_NE(refused.hint.find("cluster.max_shards_per_node"), std::string::npos);
  }
}

TEST(JudgeRefusedIndex, BlocksAndWhatIsMissingThere) {
  EXPECT_EQ(JudgeRefusedIndex(403, Body("cluster_block_exception",
                                        "blocked by: [FORBIDDEN/10/cluster create-index blocked "
                                        "(api)];"))
                .refusal,
            IndexRefusal::kPassing);
  EXPECT_EQ(JudgeRefusedIndex(429, Body("circuit_breaking_exception", "x")).refusal,
            IndexRefusal::kPassing);
  EXPECT_EQ(JudgeRefusedIndex(400, Body("illegal_argument_exception",
                                        "Custom Analyzer [x] failed to find tokenizer under name "
                                        "[nosuch]"))
                .refusal,
            IndexRefusal::kPassing);
}

TEST(JudgeRefusedIndex, NamesThatAreTaken) {
  EXPECT_EQ(JudgeRefusedIndex(400, Body("resource_already_exists_exception", "index [a]")).refusal,
            IndexRefusal::kNameTaken);
  EXPECT_EQ(JudgeRefusedIndex(400, Body("invalid_index_name_exception",
                                        "Invalid index name [a], already exists as alias"))
                .refusal,
            IndexRefusal::kNameTaken);
  EXPECT_EQ(JudgeRefusedIndex(400, Body("invalid_alias_name_exception",
                                        "Invalid alias name [a]: an index or data stream exists "
                                        "with the same name as the alias"))
                .refusal,
            IndexRefusal::kAliasTaken);
}

TEST(JudgeRefusedIndex, WhatTheAuthorMustCorrect) {
  const RefusedIndex refused = JudgeRefusedIndex(
      400, Body("mapper_parsing_exception",
                "Failed to parse mapping: unknown parameter [enabled] on mapper [attributes] of "
                "type [flattened]"));
  EXPECT_EQ(refused.refusal, IndexRefusal::kDefinition);
  EXPECT_EQ(refused.reason,
            "mapper_parsing_exception: Failed to parse mapping: unknown parameter [enabled] on "
            "mapper [attributes] of type [flattened]");
  EXPECT_NE(refused.hint.find("polyglot.alter_sync"), std::string::npos);
  const RefusedIndex fields = JudgeRefusedIndex(
      400, Body("illegal_argument_exception", "Limit of total fields [1000] has been exceeded"));
  EXPECT_NE(fields.hint.find("index.mapping.total_fields.limit"), std::string::npos);
}

}  // namespace
}  // namespace polyglot::core
