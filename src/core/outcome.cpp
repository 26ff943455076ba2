#include "core/outcome.h"

#include <algorithm>
#include <array>

#include "core/error_text.h"

namespace polyglot::core {
namespace {

using A = RequestAction;

struct StatusRow {
  int first, last;
  RequestVerdict verdict;
};

RequestVerdict Verdict(A action, bool back_pressure = false, bool smaller = false,
                       std::uint32_t tries = 0) {
  return {.action = action,
          .back_pressure = back_pressure,
          .smaller = smaller,
          .tries = tries,
          .type = {},
          .reason = {}};
}

/// The first row that holds the status decides. 403 is looked at again: see ClassifyRequest.
RequestVerdict ForStatus(int status) {
  const StatusRow rows[] = {
      {200, 200, Verdict(A::kItems)},
      {400, 400, Verdict(A::kSplit)},
      {401, 403, Verdict(A::kDenied)},  // 402: a licence, which also hangs on the account
      {407, 407, Verdict(A::kDenied)},
      {408, 408, Verdict(A::kRetry)},
      {409, 409, Verdict(A::kSuspect, false, false, 3)},
      {413, 413, Verdict(A::kSplitBytes, false, true)},
      {425, 425, Verdict(A::kRetry)},
      {429, 429, Verdict(A::kRetry, true)},
      {500, 500, Verdict(A::kSuspect, false, false, 8)},
      {504, 504, Verdict(A::kUnreachable, false, true)},
      {502, 503, Verdict(A::kUnreachable)},
      {507, 507, Verdict(A::kUnreachable)},
      {520, 529, Verdict(A::kUnreachable)},
  };
  for (const StatusRow& row : rows)
    if (status >= row.first && status <= row.last) return row.verdict;
  // Other 2xx, redirects, 404, 405, 406, 415, 431, 501 …: `_bulk` has no legal answer like that.
  return Verdict(A::kMisrouted);
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool IsRejection(std::string_view type) {
  return type == "es_rejected_execution_exception" || type == "rejected_execution_exception";
}

/// 400s that speak of the index or its alias, not of the document.
bool IsConfiguration(const BulkItem& item) {
  constexpr std::array<std::string_view, 4> kTypes = {
      "index_closed_exception", "invalid_index_name_exception",
      "illegal_index_shard_state_exception", "invalid_alias_name_exception"};
  if (std::find(kTypes.begin(), kTypes.end(), item.error_type) != kTypes.end()) return true;
  if (item.error_type != "illegal_argument_exception") return false;
  const std::string_view reason = item.error_reason;
  return reason.starts_with("no write index is defined for alias") ||
         reason.starts_with("pipeline with id [") ||
         reason.starts_with("only write ops with an op_type of create") ||
         reason.starts_with("Alias [") || Contains(reason, "has more than one ind");
}

ItemVerdict Item(ItemAction action) { return {.action = action}; }

ItemVerdict Item400(const BulkItem& item) {
  if (item.error_type == "action_request_validation_exception") return Item(ItemAction::kAlone);
  if (IsConfiguration(item)) return Item(ItemAction::kBlocked);
  return {.action = ItemAction::kDead,
          .field_limit = Contains(item.error_reason, "Limit of total fields")};
}

ItemVerdict Item404(const BulkItem& item) {
  if (item.error_type == "index_not_found_exception") return Item(ItemAction::kIndexMissing);
  if (item.has_error) return Item(ItemAction::kDead);
  if (item.kind == OperationKind::kDelete) return {.action = ItemAction::kOk, .not_found = true};
  return Item(
      ItemAction::kRetryLimited);  // an index operation that says "not found" makes no sense
}

ItemVerdict Item429(const BulkItem& item) {
  // Flood stage: the disk is full. Waiting for room in a queue would not help.
  if (item.error_type == "cluster_block_exception") return Item(ItemAction::kBlocked);
  return {.action = ItemAction::kRetry,
          .back_pressure = true,
          .smaller = item.error_type == "circuit_breaking_exception"};
}

}  // namespace

RequestVerdict ClassifyRequest(bool transport_ok, std::string_view transport_error, int http_status,
                               std::string_view body) {
  if (!transport_ok) {
    RequestVerdict verdict = Verdict(A::kUnreachable);
    verdict.reason = SanitiseText(transport_error, 400);
    return verdict;
  }
  RequestVerdict verdict = ForStatus(http_status);
  if (verdict.action == A::kItems) return verdict;
  ServerError error = ParseServerError(body);
  if (error.type == "cluster_block_exception" && (http_status == 403 || http_status == 429)) {
    verdict = Verdict(A::kBlocked);
  } else if (http_status == 429 && error.type == "circuit_breaking_exception") {
    verdict.smaller = true;
  }
  verdict.type = std::move(error.type);
  verdict.reason = std::move(error.reason);
  return verdict;
}

RequestVerdict ClassifyBrokenAnswer(std::string_view why) {
  RequestVerdict verdict = Verdict(A::kSuspect, false, false, 3);
  verdict.reason = SanitiseText(why, 400);
  return verdict;
}

bool BlamesTheRequest(std::string_view type, std::string_view reason) {
  return type == "media_type_header_exception" || Contains(reason, "unrecognized parameter") ||
         Contains(reason, "Content-Type header");
}

ItemVerdict ClassifyItem(const BulkItem& item) {
  const int status = item.status;
  if (!item.has_error && status >= 200 && status < 300) return Item(ItemAction::kOk);
  if (item.error_type == "cluster_block_exception" && status != 429 && status < 500)
    return Item(ItemAction::kBlocked);
  if (status == 409 && item.error_type == "version_conflict_engine_exception")
    return Item(ItemAction::kStale);
  if (status == 400) return Item400(item);
  if (status == 401 || status == 403) return Item(ItemAction::kBlocked);
  if (status == 404) return Item404(item);
  if (status == 408 || status == 425) return Item(ItemAction::kRetry);
  if (status == 429) return Item429(item);
  // 409 of another kind than a version conflict is no success; and items have no 1xx or 3xx.
  if (status == 409 || status < 400) return Item(ItemAction::kRetryLimited);
  if (status < 500) return Item(ItemAction::kDead);
  if (status >= 502 && status <= 504) {
    return {.action = ItemAction::kRetry,
            .smaller = item.error_type == "circuit_breaking_exception"};
  }
  if (IsRejection(item.error_type)) return {.action = ItemAction::kRetry, .back_pressure = true};
  return Item(ItemAction::kRetryLimited);
}

}  // namespace polyglot::core
