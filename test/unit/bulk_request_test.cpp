#include "core/search/bulk_request.h"

#include <gtest/gtest.h>

#include "core/json_reader.h"

namespace polyglot::core {
namespace {

Operation Make(OperationKind kind, std::string id, std::string body = {}) {
  Operation op;
  op.kind = kind;
  op.version = 17;
  op.index = std::make_shared<const std::string>("products-000001");
  op.id = std::move(id);
  op.body = std::move(body);
  return op;
}

std::string Encode(const Operation& op) {
  std::string out;
  AppendOperation(op, &out);
  EXPECT_EQ(out.size(), EncodedSize(op));
  return out;
}

TEST(BulkRequest, IndexLine) {
  EXPECT_EQ(Encode(Make(OperationKind::kIndex, "42", R"({"a":1})")),
            R"({"index":{"_index":"products-000001","_id":"42","version":17,)"
            R"("version_type":"external_gte"}})"
            "\n{\"a\":1}\n");
}

TEST(BulkRequest, DeleteLineHasNoBody) {
  EXPECT_EQ(Encode(Make(OperationKind::kDelete, "42")),
            R"({"delete":{"_index":"products-000001","_id":"42","version":17,)"
            R"("version_type":"external_gte"}})"
            "\n");
}

TEST(BulkRequest, RoutingIsEscapedAndMayBeEmpty) {
  Operation op = Make(OperationKind::kDelete, "42");
  op.routing = "a\"b";
  EXPECT_NE(Encode(op).find(R"(,"routing":"a\"b"}})"), std::string::npos);
  op.routing = "";
  EXPECT_NE(Encode(op).find(R"(,"routing":""}})"), std::string::npos);
}

TEST(BulkRequest, EveryByteOfAnIdSurvives) {
  std::string id;
  for (int c = 0; c < 128; ++c) id.push_back(static_cast<char>(c));
  id += "ü€𝄞";
  const std::string line = Encode(Make(OperationKind::kDelete, id));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  rapidjson::Document document;
  document.Parse(line.c_str());
  ASSERT_FALSE(document.HasParseError());
  const auto& parsed = document["delete"]["_id"];
  EXPECT_EQ(std::string(parsed.GetString(), parsed.GetStringLength()), id);
}

TEST(BulkRequest, LargestVersion) {
  Operation op = Make(OperationKind::kDelete, "x");
  op.version = 9223372036854775807u;
  EXPECT_NE(Encode(op).find("\"version\":9223372036854775807,"), std::string::npos);
}

TEST(BulkRequest, LineBreaksInADocumentBecomeSpaces) {
  std::string out = "before\n";
  const BodySlice slice =
      AppendOperation(Make(OperationKind::kIndex, "1", "{\n\"a\":\r\n1}"), &out);
  EXPECT_EQ(out.substr(slice.offset, slice.length), "{ \"a\":  1}");
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 3);
  EXPECT_EQ(out.back(), '\n');
}

}  // namespace
}  // namespace polyglot::core
