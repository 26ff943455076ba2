// Every row of the table of outcomes.
#include "core/search/classification.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

using R = RequestAction;
using I = ItemAction;

RequestVerdict Request(int status, std::string_view body = {}) {
  return ClassifyRequest(status, body);
}

std::string ErrorBody(std::string_view type, std::string_view reason = "r") {
  return R"({"error":{"type":")" + std::string(type) + R"(","reason":")" + std::string(reason) +
         R"("}})";
}

TEST(RequestTable, NoAnswer) {
  const RequestVerdict v = ClassifyNoAnswer("connecting: Connection refused", false);
  EXPECT_EQ(v.action, R::kUnreachable);
  EXPECT_EQ(v.reason, "connecting: Connection refused");
}

TEST(RequestTable, OurOwnMemoryIsNoOutage) {
  const RequestVerdict v = ClassifyNoAnswer("receiving the answer: out of memory", true);
  EXPECT_EQ(v.action, R::kRetry);
  EXPECT_TRUE(v.smaller);
  EXPECT_TRUE(v.back_pressure);
}

TEST(RequestTable, ByStatus) {
  const struct {
    int status;
    R action;
  } rows[] = {
      {200, R::kItems},       {201, R::kMisrouted},   {204, R::kMisrouted}, {301, R::kMisrouted},
      {302, R::kMisrouted},   {400, R::kSplit},       {401, R::kDenied},    {402, R::kDenied},
      {403, R::kDenied},      {404, R::kMisrouted},   {405, R::kMisrouted}, {406, R::kMisrouted},
      {407, R::kDenied},      {408, R::kRetry},       {409, R::kSuspect},   {410, R::kMisrouted},
      {411, R::kMisrouted},   {413, R::kSplitBytes},  {414, R::kMisrouted}, {415, R::kMisrouted},
      {417, R::kMisrouted},   {421, R::kMisrouted},   {425, R::kRetry},     {429, R::kRetry},
      {431, R::kMisrouted},   {500, R::kSuspect},     {501, R::kMisrouted}, {502, R::kUnreachable},
      {503, R::kUnreachable}, {504, R::kUnreachable}, {505, R::kMisrouted}, {507, R::kUnreachable},
      {520, R::kUnreachable}, {529, R::kUnreachable}, {530, R::kMisrouted},
  };
  for (const auto& row : rows) EXPECT_EQ(Request(row.status).action, row.action) << row.status;
}

TEST(RequestTable, SideEffects) {
  EXPECT_TRUE(Request(429).back_pressure);
  EXPECT_FALSE(Request(429).smaller);
  EXPECT_TRUE(Request(429, ErrorBody("circuit_breaking_exception")).smaller);
  EXPECT_TRUE(Request(503, ErrorBody("circuit_breaking_exception")).smaller);
  EXPECT_EQ(Request(503, ErrorBody("circuit_breaking_exception")).action, R::kUnreachable);
  EXPECT_TRUE(Request(413).smaller);
  EXPECT_TRUE(Request(504).smaller);
  EXPECT_FALSE(Request(503).smaller);
  EXPECT_EQ(Request(409).tries, 3u);
  EXPECT_EQ(Request(500).tries, 8u);
  EXPECT_EQ(ClassifyBrokenAnswer("x").action, R::kSuspect);
  EXPECT_EQ(ClassifyBrokenAnswer("x").tries, 3u);
}

TEST(RequestTable, ABlockedClusterIsNotAboutCredentials) {
  EXPECT_EQ(Request(403, ErrorBody("cluster_block_exception")).action, R::kBlocked);
  EXPECT_EQ(Request(429, ErrorBody("cluster_block_exception")).action, R::kBlocked);
  EXPECT_EQ(Request(403, ErrorBody("security_exception")).action, R::kDenied);
}

TEST(RequestTable, KeepsTheServersWords) {
  const RequestVerdict v = Request(400, ErrorBody("parse_exception", "no\\u0000good"));
  EXPECT_EQ(v.type, "parse_exception");
  EXPECT_EQ(v.reason, "no?good");
  EXPECT_EQ(Request(413).reason, "");
  EXPECT_EQ(Request(401, "Unauthorized").reason, "");
}

TEST(RequestTable, SomeRefusalsBlameTheRequest) {
  EXPECT_TRUE(BlamesTheRequest("media_type_header_exception", "x"));
  EXPECT_TRUE(BlamesTheRequest("illegal_argument_exception",
                               "request [/_bulk] contains unrecognized parameter: [x]"));
  EXPECT_FALSE(BlamesTheRequest("illegal_argument_exception", "id is too long"));
}

BulkItem Item(int status, std::string type = {}, std::string reason = {},
              OperationKind kind = OperationKind::kIndex) {
  const bool has_error = !type.empty() || !reason.empty();
  return {.kind = kind,
          .status = status,
          .has_error = has_error,
          .error_type = std::move(type),
          .error_reason = std::move(reason)};
}

TEST(ItemTable, Success) {
  for (int status : {200, 201}) EXPECT_EQ(ClassifyItem(Item(status)).action, I::kOk);
  const ItemVerdict gone = ClassifyItem(Item(404, {}, {}, OperationKind::kDelete));
  EXPECT_EQ(gone.action, I::kOk);
  EXPECT_TRUE(gone.not_found);
  EXPECT_FALSE(ClassifyItem(Item(200, {}, {}, OperationKind::kDelete)).not_found);
}

TEST(ItemTable, TheFailureStoreIsNotTheIndex) {
  BulkItem item = Item(201);
  item.failure_store = true;
  EXPECT_EQ(ClassifyItem(item).action, I::kDead);
}

TEST(ItemTable, Conflicts) {
  EXPECT_EQ(ClassifyItem(Item(409, "version_conflict_engine_exception")).action, I::kStale);
  EXPECT_EQ(ClassifyItem(Item(409, "resource_already_exists_exception")).action, I::kRetryLimited);
  EXPECT_EQ(ClassifyItem(Item(409)).action, I::kRetryLimited);
}

TEST(ItemTable, Full) {
  for (const char* type : {"es_rejected_execution_exception", "rejected_execution_exception",
                           "circuit_breaking_exception"}) {
    const ItemVerdict v = ClassifyItem(Item(429, type));
    EXPECT_EQ(v.action, I::kRetry) << type;
    EXPECT_TRUE(v.back_pressure) << type;
  }
  EXPECT_TRUE(ClassifyItem(Item(429, "circuit_breaking_exception")).smaller);
}

TEST(ItemTable, Blocks) {
  for (int status : {403, 429})
    EXPECT_EQ(ClassifyItem(Item(status, "cluster_block_exception")).action, I::kBlocked);
  EXPECT_EQ(ClassifyItem(Item(401, "security_exception")).action, I::kBlocked);
  EXPECT_EQ(ClassifyItem(Item(403, "security_exception")).action, I::kBlocked);
  EXPECT_EQ(ClassifyItem(Item(400, "index_closed_exception")).action, I::kBlocked);
  EXPECT_EQ(ClassifyItem(Item(400, "invalid_index_name_exception")).action, I::kBlocked);
  for (const char* reason :
       {"no write index is defined for alias [products]", "pipeline with id [x] does not exist",
        "only write ops with an op_type of create are allowed in data streams"})
    EXPECT_EQ(ClassifyItem(Item(400, "illegal_argument_exception", reason)).action, I::kBlocked)
        << reason;
  EXPECT_EQ(ClassifyItem(Item(503, "cluster_block_exception")).action, I::kRetry)
      << "no master yet: passes by itself";
}

TEST(ItemTable, MissingIndex) {
  for (const OperationKind kind : {OperationKind::kIndex, OperationKind::kDelete})
    EXPECT_EQ(ClassifyItem(Item(404, "index_not_found_exception", "no such index", kind)).action,
              I::kIndexMissing);
  EXPECT_EQ(ClassifyItem(Item(404)).action, I::kRetryLimited);
  EXPECT_EQ(ClassifyItem(Item(404, "document_missing_exception")).action, I::kDead);
}

TEST(ItemTable, BadDocuments) {
  for (const char* type : {"mapper_parsing_exception", "document_parsing_exception",
                           "strict_dynamic_mapping_exception", "illegal_argument_exception",
                           "routing_missing_exception", "x_content_parse_exception", ""})
    EXPECT_EQ(ClassifyItem(Item(400, type, "mapper [x] cannot be changed")).action, I::kDead)
        << type;
  EXPECT_EQ(ClassifyItem(Item(413, "x")).action, I::kDead);
  const ItemVerdict limit = ClassifyItem(
      Item(400, "document_parsing_exception", "[1:2] Limit of total fields [3] has been exceeded"));
  EXPECT_EQ(limit.action, I::kDead);
  EXPECT_TRUE(limit.field_limit);
}

TEST(ItemTable, ARefusedGroupIsSentSingly) {
  EXPECT_EQ(ClassifyItem(Item(400, "action_request_validation_exception")).action, I::kAlone);
}

TEST(ItemTable, AShardOrNodeThatIsAwayNeverBlamesTheDocument) {
  for (int status : {400, 404, 409, 500, 503})
    for (const char* type : {"node_closed_exception", "illegal_index_shard_state_exception",
                             "shard_not_found_exception", "unavailable_shards_exception"}) {
      EXPECT_EQ(ClassifyItem(Item(status, type)).action, I::kRetry) << status << type;
      EXPECT_TRUE(ClassifyItem(Item(status, type)).unavailable) << status << type;
    }
}

TEST(ItemTable, FullWhateverTheStatus) {
  for (const char* type : {"es_rejected_execution_exception", "rejected_execution_exception",
                           "circuit_breaking_exception"})
    for (int status : {500, 503}) {
      EXPECT_EQ(ClassifyItem(Item(status, type)).action, I::kRetry) << status << type;
      EXPECT_TRUE(ClassifyItem(Item(status, type)).back_pressure) << status << type;
    }
}

TEST(ItemTable, Trouble) {
  for (int status : {502, 503, 504})
    EXPECT_EQ(ClassifyItem(Item(status, "unavailable_shards_exception")).action, I::kRetry);
  EXPECT_FALSE(ClassifyItem(Item(503, "unavailable_shards_exception")).back_pressure);
  for (int status : {500, 501, 505})
    EXPECT_EQ(ClassifyItem(Item(status, "string_index_out_of_bounds_exception")).action,
              I::kRetryLimited);
  for (int status : {408, 425}) EXPECT_EQ(ClassifyItem(Item(status, "x")).action, I::kRetry);
  for (int status : {100, 302}) EXPECT_EQ(ClassifyItem(Item(status)).action, I::kRetryLimited);
}

}  // namespace
}  // namespace polyglot::core
