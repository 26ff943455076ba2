#include "core/search/classification.h"

#include <algorithm>
#include <array>

#include "core/text.h"

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
          .for_memory = false,
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

/// Elasticsearch's name and OpenSearch's.
bool IsRejection(std::string_view type) {
  return type == "es_rejected_execution_exception" || type == "rejected_execution_exception";
}

/// A queue of requests that is full has nothing to do with how large one of them is.
bool WantsMemory(std::string_view reason) { return !Contains(reason, "queue capacity"); }

/// A shard or node that moves, starts or stops. The servers send some of these with 404 or 500, as
/// if the document were at fault (`status()` of the exceptions in their sources).
bool IsUnavailable(std::string_view type) {
  constexpr std::array<std::string_view, 16> kTypes = {"unavailable_shards_exception",
                                                       "no_shard_available_action_exception",
                                                       "process_cluster_event_timeout_exception",
                                                       "node_closed_exception",
                                                       "node_disconnected_exception",
                                                       "node_not_connected_exception",
                                                       "connect_transport_exception",
                                                       "receive_timeout_transport_exception",
                                                       "master_not_discovered_exception",
                                                       "shard_not_found_exception",
                                                       "index_shard_closed_exception",
                                                       "index_shard_not_started_exception",
                                                       "index_shard_recovering_exception",
                                                       "illegal_index_shard_state_exception",
                                                       "shard_not_in_primary_mode_exception",
                                                       "already_closed_exception"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

/// 400s that speak of the index or its alias, not of the document.
bool IsConfiguration(const BulkItem& item) {
  constexpr std::array<std::string_view, 3> kTypes = {
      "index_closed_exception", "invalid_index_name_exception", "invalid_alias_name_exception"};
  if (std::find(kTypes.begin(), kTypes.end(), item.error_type) != kTypes.end()) return true;
  if (item.error_type != "illegal_argument_exception") return false;
  const std::string_view reason = item.error_reason;
  return reason.starts_with("no write index is defined for alias") ||
         reason.starts_with("pipeline with id [") ||
         reason.starts_with("only write ops with an op_type of create") ||
         reason.starts_with("Alias [") || Contains(reason, "has more than one ind");
}

ItemVerdict Item(ItemAction action) { return {.action = action}; }

ItemVerdict Retry(const BulkItem& item, bool back_pressure) {
  return {.action = ItemAction::kRetry,
          .back_pressure = back_pressure,
          .smaller = item.error_type == "circuit_breaking_exception",
          .for_memory = back_pressure && WantsMemory(item.error_reason)};
}

ItemVerdict Unavailable() { return {.action = ItemAction::kRetry, .unavailable = true}; }

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
  return Retry(item, true);
}

ItemVerdict Item5xx(const BulkItem& item) {
  if (IsRejection(item.error_type) || item.error_type == "circuit_breaking_exception")
    return Retry(item, true);
  if (item.status >= 502 && item.status <= 504) return Unavailable();
  return Item(ItemAction::kRetryLimited);
}

}  // namespace

RequestVerdict ClassifyNoAnswer(std::string_view error, bool out_of_memory) {
  // Short of memory: fewer and smaller requests need less of it; the server is not to blame.
  RequestVerdict verdict =
      out_of_memory ? Verdict(A::kRetry, true, true) : Verdict(A::kUnreachable);
  verdict.reason = SanitiseText(error, 400);
  return verdict;
}

RequestVerdict ClassifyRequest(int status, std::string_view body) {
  RequestVerdict verdict = ForStatus(status);
  if (verdict.action == A::kItems) return verdict;
  ServerError error = ParseServerError(body);
  if (error.type == "cluster_block_exception" && (status == 403 || status == 429)) {
    verdict = Verdict(A::kBlocked);
  } else if (error.type == "circuit_breaking_exception" && (status == 429 || status == 503)) {
    verdict.back_pressure = verdict.smaller = true;
  }
  verdict.for_memory = verdict.back_pressure && WantsMemory(error.reason);
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
  // A failure store or an ingest pipeline has taken the document: it is not where searches look.
  const bool astray = item.failure_store || item.dropped || item.moved;
  if (!item.has_error && status >= 200 && status < 300)
    return Item(astray ? ItemAction::kDead : ItemAction::kOk);
  if (item.error_type == "cluster_block_exception" && status != 429 && status < 500)
    return Item(ItemAction::kBlocked);
  if (status == 409 && item.error_type == "version_conflict_engine_exception")
    return Item(ItemAction::kStale);
  if (status >= 400 && IsUnavailable(item.error_type)) return Unavailable();
  if (status == 400) return Item400(item);
  if (status == 401 || status == 403) return Item(ItemAction::kBlocked);
  if (status == 404) return Item404(item);
  if (status == 408 || status == 425) return Item(ItemAction::kRetry);
  if (status == 429) return Item429(item);
  // 409 of another kind than a version conflict is no success; and items have no 1xx or 3xx.
  if (status == 409 || status < 400) return Item(ItemAction::kRetryLimited);
  return status < 500 ? Item(ItemAction::kDead) : Item5xx(item);
}

}  // namespace polyglot::core
