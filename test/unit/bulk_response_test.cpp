#include "core/search/bulk_response.h"

#include <gtest/gtest.h>

#include "bulk_items.h"

namespace polyglot::core {
namespace {

constexpr auto kI = OperationKind::kIndex;
constexpr auto kD = OperationKind::kDelete;
using Kinds = std::vector<OperationKind>;

TEST(BulkResponse, Filtered) {
  const auto r = ParseBulkResponse(
      R"({"errors":true,"items":[{"index":{"status":201}},{"delete":{"status":404}},)"
      R"({"index":{"error":{"type":"t","reason":"r"},"status":400}}]})",
      Kinds{kI, kD, kI});
  ASSERT_TRUE(r.ok()) << r.error().message;
  ASSERT_EQ(r.value().size(), 3u);
  EXPECT_EQ(r.value()[0].status, 201);
  EXPECT_FALSE(r.value()[1].has_error);
  EXPECT_EQ(r.value()[2].error_type, "t");
  EXPECT_EQ(r.value()[2].error_reason, "r");
}

TEST(BulkResponse, Unfiltered) {
  const auto r = ParseBulkResponse(
      R"({"took":3,"ingest_took":7,"errors":true,"items":[{"index":{"_index":"i","_type":"_doc",)"
      R"("_id":"1","_version":17,"result":"created","_shards":{"total":2,"successful":1,)"
      R"("failed":0},"_seq_no":0,"status":201}},{"delete":{"_index":"i","status":409,)"
      R"("error":{"type":"version_conflict_engine_exception","reason":"x","index":"i",)"
      R"("caused_by":{"type":"inner","reason":"inner","root_cause":[{"type":"z"}]}}}}]})",
      Kinds{kI, kD});
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(r.value()[1].error_type, "version_conflict_engine_exception");
  EXPECT_EQ(r.value()[1].error_reason, "x: inner");
}

TEST(BulkResponse, TheCauseIsSaidOnce) {
  const auto r = ParseBulkResponse(
      R"({"errors":true,"items":[{"index":{"status":400,"error":{"type":"t","reason":"failed: a",)"
      R"("caused_by":{"reason":"a"}}}},{"index":{"status":400,"error":{"reason":"failed",)"
      R"("caused_by":{"caused_by":{"reason":"deeper"}}}}}]})",
      Kinds{kI, kI});
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(r.value()[0].error_reason, "failed: a");
  EXPECT_EQ(r.value()[1].error_reason, "failed");
}

TEST(BulkResponse, FailureStore) {
  const auto r = ParseBulkResponse(
      R"({"errors":false,"items":[{"index":{"failure_store":"used","status":201}},)"
      R"({"index":{"status":201,"failure_store":"not_enabled"}}]})",
      Kinds{kI, kI});
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_TRUE(r.value()[0].failure_store);
  EXPECT_FALSE(r.value()[1].failure_store);
}

TEST(BulkResponse, ErrorsMayBeStringsOrNull) {
  const auto r =
      ParseBulkResponse(R"({"errors":true,"items":[{"index":{"status":400,"error":"bad thing"}},)"
                        R"({"index":{"status":200,"error":null}}]})",
                        Kinds{kI, kI});
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_TRUE(r.value()[0].has_error);
  EXPECT_EQ(r.value()[0].error_type, "");
  EXPECT_EQ(r.value()[0].error_reason, "bad thing");
  EXPECT_FALSE(r.value()[1].has_error);
}

TEST(BulkResponse, NeverSuccessWhenItDoesNotAddUp) {
  const char* bodies[] = {
      "",
      " ",
      "<html>",
      "[]",
      "null",
      "\"x\"",
      "{}",
      R"({"errors":false})",
      R"({"items":[]})",
      R"({"errors":false,"items":[]})",
      R"({"errors":false,"items":{}})",
      R"({"errors":"false","items":[{"index":{"status":200}}]})",
      R"({"errors":false,"items":[{"index":{"status":200}})",
      R"({"errors":false,"items":[{"index":{"status":200}}]}x)",
      R"({"errors":false,"items":[{"index":{"status":200}}]} {})",
      R"({"errors":false,"items":[{"index":{"status":200}},{"index":{"status":200}}]})",
      R"({"errors":false,"items":[{"delete":{"status":200}}]})",
      R"({"errors":false,"items":[{"create":{"status":200}}]})",
      R"({"errors":false,"items":[{"index":{"status":200},"index":{"status":200}}]})",
      R"({"errors":false,"items":[{}]})",
      R"({"errors":false,"items":[3]})",
      R"({"errors":false,"items":[[{"index":{"status":200}}]]})",
      R"({"errors":false,"items":[{"index":200}]})",
      R"({"errors":false,"items":[{"index":{}}]})",
      R"({"errors":false,"items":[{"index":{"status":"200"}}]})",
      R"({"errors":false,"items":[{"index":{"status":200.5}}]})",
      R"({"errors":false,"items":[{"index":{"status":99999999999999}}]})",
      R"({"errors":false,"items":[{"index":{"status":-1}}]})",
      R"({"errors":false,"items":[{"index":{"status":400}}]})",
      R"({"errors":true,"items":[{"index":{"status":200}}]})",
      R"({"errors":false,"items":[{"index":{"status":409,"error":{"type":"t"}}}]})",
      R"({"errors":true,"items":[{"index":{"status":200,"error":{"type":"t"}}}]})",
      R"({"errors":true,"errors":false,"items":[{"index":{"status":200}}]})",
      R"({"errors":false,"items":[{"index":{"status":200}}],"items":[]})",
  };
  for (const char* body : bodies) EXPECT_FALSE(ParseBulkResponse(body, Kinds{kI}).ok()) << body;
}

TEST(BulkResponse, EveryCutOfAGoodAnswerIsRefused) {
  const std::string body =
      R"({"errors":true,"items":[{"index":{"status":201}},{"delete":{"status":409,)"
      R"("error":{"type":"t","reason":"r"}}}]})";
  ASSERT_TRUE(ParseBulkResponse(body, Kinds{kI, kD}).ok());
  for (std::size_t i = 0; i < body.size(); ++i)
    EXPECT_FALSE(ParseBulkResponse(body.substr(0, i), Kinds{kI, kD}).ok()) << i;
}

TEST(BulkResponse, CapsOnSizeDepthAndText) {
  const std::string good = R"({"errors":false,"items":[{"index":{"status":200}}]})";
  EXPECT_FALSE(ParseBulkResponse(good, Kinds{kI}, {.bytes = good.size() - 1}).ok());
  const std::string deep(1'000'000, '[');
  EXPECT_FALSE(ParseBulkResponse(deep, Kinds{kI}).ok());
  EXPECT_FALSE(ParseBulkResponse("{\"x\":" + deep, Kinds{kI}).ok());
  const auto r = ParseBulkResponse(R"({"errors":true,"items":[{"index":{"status":400,"error":)"
                                   R"({"reason":"12345\u0000xyz"}}}]})",
                                   Kinds{kI}, {.reason_bytes = 7});
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r.value()[0].error_reason, "12345?x");
}

TEST(ServerError, Shapes) {
  EXPECT_EQ(
      ParseServerError(R"({"error":{"root_cause":[],"type":"t","reason":"r"},"status":400})").type,
      "t");
  EXPECT_EQ(ParseServerError(R"({"error":"text","status":400})").reason, "text");
  for (const char* body : {"", "Unauthorized", "<html>", "[]", "{}", R"({"error":3})"})
    EXPECT_EQ(ParseServerError(body).type + ParseServerError(body).reason, "") << body;
  EXPECT_EQ(ParseServerError(std::string(100'000, '[')).type, "");
}

}  // namespace
}  // namespace polyglot::core
