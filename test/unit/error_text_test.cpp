#include "core/search/error_text.h"

#include <gtest/gtest.h>

#include "core/text.h"

namespace polyglot::core {
namespace {

TEST(SanitiseText, KeepsUtf8AndReplacesTheRest) {
  EXPECT_EQ(SanitiseText("grün €𝄞", 100), "grün €𝄞");
  EXPECT_EQ(SanitiseText(std::string_view("a\0b", 3), 100), "a?b");
  EXPECT_EQ(SanitiseText("a\xff\xc3", 100), "a??");
  EXPECT_EQ(SanitiseText("\xed\xa0\x80", 100), "???") << "a surrogate is no character";
  EXPECT_EQ(SanitiseText("\xc0\xaf", 100), "??") << "overlong";
  EXPECT_EQ(SanitiseText("\xf4\x90\x80\x80", 100), "????") << "beyond the last character";
}

TEST(SanitiseText, CutsBetweenCharacters) {
  EXPECT_EQ(SanitiseText("aü", 2), "a");
  EXPECT_EQ(SanitiseText("aü", 3), "aü");
  EXPECT_EQ(SanitiseText("abc", 0), "");
}

TEST(NormaliseError, CutsRowValues) {
  const std::string text = NormaliseError(
      "document_parsing_exception",
      "[1:9] failed to parse field [price] of type [long] in document with id '42'. Preview of "
      "field's value: 'secretvalue'");
  EXPECT_EQ(text.find("secret"), std::string::npos);
  EXPECT_EQ(text.find("42"), std::string::npos);
  EXPECT_EQ(text, "document_parsing_exception: failed to parse field …");
  EXPECT_EQ(NormaliseError("mapper_parsing_exception", "failed to parse field [price] of"),
            "mapper_parsing_exception: failed to parse field …");
}

TEST(NormaliseRefusal, ReadsTheErrorOfTheBody) {
  EXPECT_EQ(NormaliseRefusal(R"({"error":{"root_cause":[],"type":"illegal_argument_exception",)"
                             R"("reason":"unknown setting [index.no_such]"},"status":400})"),
            "illegal_argument_exception: unknown setting …");
  EXPECT_EQ(NormaliseRefusal(R"({"error":"no handler found"})"), "no handler found");
  EXPECT_EQ(NormaliseRefusal("Bad Gateway <html>"), "Bad Gateway …");
  EXPECT_EQ(NormaliseRefusal(""), "");
}

TEST(WholeRefusal, SaysAllButTheSameTwice) {
  EXPECT_EQ(WholeRefusal(R"({"error":{"type":"mapper_parsing_exception","reason":"Failed to parse )"
                         R"(mapping: bad [a]","caused_by":{"type":"x","reason":"bad [a]",)"
                         R"("caused_by":{"type":"y","reason":"because of 7"}}},"status":400})"),
            "mapper_parsing_exception: Failed to parse mapping: bad [a]: because of 7");
  EXPECT_EQ(WholeRefusal("Bad Gateway <html>"), "Bad Gateway …");
  EXPECT_EQ(WholeRefusal(R"({"error":"no handler found"})"), "no handler found");
}

TEST(NormaliseError, ValuesThatHoldQuotesAndBracketsDoNotLeak) {
  for (const char* reason :
       {"failed to parse field [a] secret [b]", "failed on 'a' secret 'b'", "failed (1) secret",
        "failed on \"a\" secret", "out of range 17 secret", "the field's value 'x' secret"})
    EXPECT_EQ(NormaliseError("t", reason).find("secret"), std::string::npos) << reason;
}

TEST(NormaliseError, ClusterErrorsStayReadable) {
  EXPECT_EQ(NormaliseError("cluster_block_exception",
                           "index [products] blocked by: [FORBIDDEN/8/index write (api)];"),
            "cluster_block_exception: index [products] blocked by: "
            "[FORBIDDEN/8/index write (api)];");
}

TEST(NormaliseError, ObjectAddressesGo) {
  EXPECT_EQ(NormaliseError("security_exception", "rejected by Task@270af3b in queue"),
            "security_exception: rejected by Task in queue");
}

TEST(NormaliseError, PartsMayBeMissing) {
  EXPECT_EQ(NormaliseError("", "plain"), "plain");
  EXPECT_EQ(NormaliseError("type", ""), "type");
  EXPECT_EQ(NormaliseError("", ""), "");
}

TEST(ErrorText, ADocumentIsCutBetweenCharactersAndSaysSo) {
  std::string document = "short";
  ShortenDocument(&document, 5);
  EXPECT_EQ(document, "short");
  document = "ab\xC3\xA9\xE2\x82\xAC";
  ShortenDocument(&document, 6);
  EXPECT_EQ(document, "ab\xC3\xA9 ... (7 bytes in all)");
  document = "ab\xC3\xA9\xE2\x82\xAC";
  ShortenDocument(&document, 3);
  EXPECT_EQ(document, "ab ... (7 bytes in all)");
}

}  // namespace
}  // namespace polyglot::core
