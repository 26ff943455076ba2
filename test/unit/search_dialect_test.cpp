#include "core/search/search_dialect.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

const std::string kOurs = "shop-000001";

Reply Answer(int status, std::string body) {
  Reply reply;
  reply.transport_ok = true;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

std::vector<ItemJudgement> Judge(std::string items, bool errors = false) {
  const Reply reply = Answer(200, std::string(R"({"errors":)") + (errors ? "true" : "false") +
                                      R"(,"items":[)" + std::move(items) + "]}");
  const SentItem sent[] = {{OperationKind::kIndex, &kOurs}};
  RequestVerdict broken;
  auto judged = SearchDialect().JudgeItems(reply, sent, &broken);
  EXPECT_TRUE(judged) << broken.reason;
  return judged ? std::move(*judged) : std::vector<ItemJudgement>(1);
}

TEST(SearchDialect, WritesWhatItSaysItWrites) {
  Operation operation;
  operation.version = 17;
  operation.index = std::make_shared<const std::string>(kOurs);
  operation.id = "a\"b";
  operation.body = R"({"v":1})";
  std::string body = "before\n";
  const BodySlice slice = SearchDialect().Append(operation, &body);
  EXPECT_EQ(body.size() - 7, SearchDialect().EncodedSize(operation));
  EXPECT_EQ(body.substr(slice.offset, slice.length), operation.body);
}

TEST(SearchDialect, WhatAPipelineTookAwayIsNamed) {
  EXPECT_EQ(Judge(R"({"index":{"_index":"shop-000001","status":201}})")[0].verdict.action,
            ItemAction::kOk);
  const auto dropped = Judge(R"({"index":{"result":"noop","status":200}})")[0];
  EXPECT_EQ(dropped.verdict.action, ItemAction::kDead);
  EXPECT_EQ(dropped.type, "dropped_by_pipeline");
  const auto moved = Judge(R"({"index":{"_index":"elsewhere","status":201}})")[0];
  EXPECT_EQ(moved.verdict.action, ItemAction::kDead);
  EXPECT_EQ(moved.type, "moved_by_pipeline");
  const auto stored = Judge(R"({"index":{"failure_store":"used","status":201}})")[0];
  EXPECT_EQ(stored.type, "failure_store");
}

TEST(SearchDialect, AnErrorKeepsTheServersWords) {
  const auto refused = Judge(
      R"({"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"r"}}})", true);
  EXPECT_EQ(refused[0].verdict.action, ItemAction::kDead);
  EXPECT_EQ(refused[0].status, 400);
  EXPECT_EQ(refused[0].type, "mapper_parsing_exception");
  EXPECT_EQ(refused[0].reason, "r");
}

TEST(SearchDialect, AnAnswerThatDoesNotAddUpIsBroken) {
  const SentItem sent[] = {{OperationKind::kIndex, &kOurs}};
  RequestVerdict broken;
  EXPECT_FALSE(SearchDialect().JudgeItems(Answer(200, "{}"), sent, &broken));
  EXPECT_EQ(broken.action, RequestAction::kSuspect);
  EXPECT_EQ(SearchDialect().Describe(Answer(200, "{}"), broken), "HTTP 200: " + broken.reason);
}

TEST(SearchDialect, SaysOfARequestWhoIsUnwell) {
  EXPECT_TRUE(SearchDialect().JudgeRequest(Answer(429, "")).full);
  EXPECT_FALSE(SearchDialect().JudgeRequest(Answer(429, "")).node_is_dead);
  EXPECT_TRUE(SearchDialect().JudgeRequest(Answer(503, "")).node_is_dead);
  Reply none;
  none.transport_error = "connecting: refused";
  EXPECT_EQ(SearchDialect().JudgeRequest(none).action, RequestAction::kUnreachable);
  EXPECT_TRUE(SearchDialect().JudgeRequest(none).node_is_dead);
  none.answer_cut = true;
  EXPECT_EQ(SearchDialect().JudgeRequest(none).action, RequestAction::kSuspect);
}

TEST(SearchDialect, ShowsNoValues) {
  const RequestVerdict verdict = SearchDialect().JudgeRequest(
      Answer(400, R"({"error":{"type":"mapper_parsing_exception","reason":"bad 'secret'"}})"));
  const std::string shown = SearchDialect().Describe(Answer(400, ""), verdict);
  EXPECT_TRUE(shown.starts_with("HTTP 400: mapper_parsing_exception: bad")) << shown;
  EXPECT_EQ(shown.find("secret"), std::string::npos) << shown;
}

}  // namespace
}  // namespace polyglot::core
