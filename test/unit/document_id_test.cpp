#include "core/document_id.h"

#include <openssl/evp.h>
#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

bool OpenSslSha256(const void* data, std::size_t size, std::uint8_t* digest) {
  return EVP_Digest(data, size, digest, nullptr, EVP_sha256(), nullptr) == 1;
}

bool NoSha256(const void*, std::size_t, std::uint8_t*) { return false; }

std::string Id(const std::vector<std::string_view>& texts) {
  std::string id;
  EXPECT_TRUE(AppendDocumentId(texts.data(), texts.size(), OpenSslSha256, &id));
  return id;
}

TEST(DocumentId, OneColumnIsItsText) {
  EXPECT_EQ(Id({"42"}), "42");
  EXPECT_EQ(Id({"a,b\\c"}), "a,b\\c");
  EXPECT_EQ(Id({" "}), " ");
}

TEST(DocumentId, SeveralColumnsAreEscapedAndJoined) {
  EXPECT_EQ(Id({"1", "2"}), "1,2");
  EXPECT_EQ(Id({"a,b", "c\\"}), "a\\,b,c\\\\");
  EXPECT_EQ(Id({"", ""}), ",");
  EXPECT_NE(Id({"a,b", "c"}), Id({"a", "b,c"}));
  EXPECT_NE(Id({"a\\", "b"}), Id({"a", "\\b"}));
}

TEST(DocumentId, AwkwardOnesAreHashed) {
  EXPECT_EQ(Id({""}), "~e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Id({"~abc"}).size(), 65u);
  EXPECT_EQ(Id({"~abc"})[0], '~');
  EXPECT_NE(Id({"~abc"}), Id({"~abd"}));
  EXPECT_EQ(Id({"~", "1"}).size(), 65u);
}

TEST(DocumentId, LengthLimit) {
  const std::string fits(512, 'x'), longer(513, 'x');
  EXPECT_EQ(Id({fits}), fits);
  EXPECT_EQ(Id({longer}).size(), 65u);
  const std::string commas(257, ',');  // 514 bytes once escaped
  EXPECT_EQ(Id({commas, ""}).size(), 65u);
}

TEST(DocumentId, AppendsAndReportsAMissingHash) {
  std::string out = "before";
  const std::string_view plain = "7", empty;
  ASSERT_TRUE(AppendDocumentId(&plain, 1, NoSha256, &out));
  EXPECT_EQ(out, "before7");
  EXPECT_FALSE(AppendDocumentId(&empty, 1, NoSha256, &out));
  EXPECT_EQ(out, "before7");
}

TEST(DocumentId, SplitsBack) {
  std::vector<std::string> texts;
  const std::vector<std::string_view> parts{"a,b", "", "c\\d"};
  ASSERT_TRUE(SplitDocumentId(Id(parts), 3, &texts));
  EXPECT_EQ(texts, (std::vector<std::string>{"a,b", "", "c\\d"}));
  EXPECT_FALSE(SplitDocumentId("a,b,c", 2, &texts));
  EXPECT_FALSE(SplitDocumentId("a", 2, &texts));
  EXPECT_FALSE(SplitDocumentId("a,b\\", 2, &texts));
  ASSERT_TRUE(SplitDocumentId("a,b\\", 1, &texts));
  EXPECT_EQ(texts, (std::vector<std::string>{"a,b\\"}));
}

}  // namespace
}  // namespace polyglot::core
