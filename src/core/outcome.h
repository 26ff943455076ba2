#pragma once
// What an answer means. Two tables, one for the request as a whole and one for an item of a 200
// answer; core/delivery reacts. "Applied or not" is never asked: external versions make every
// repeat harmless.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/bulk_response.h"
#include "core/operation.h"

namespace polyglot::core {

enum class RequestAction : std::uint8_t {
  kItems,        // 200: look at the items
  kRetry,        // the same request again, with back-off, without limit; the server is well
  kUnreachable,  // no usable answer from the server: the same again, the server counts as away
  kSuspect,  // garbage, 409, 500: again a few times, then halves; alone: the server counts as away
  kSplit,    // one of the operations is refused: halves; alone: a dead letter
  kSplitBytes,  // too large: halves by bytes; alone: a dead letter
  kMisrouted,   // not the address of a search server, or not one that speaks our dialect
  kDenied,      // the credentials
  kBlocked,     // the whole cluster refuses writes
};

struct RequestVerdict {
  RequestAction action = RequestAction::kItems;
  bool back_pressure = false;  // fewer requests at once
  bool smaller = false;        // smaller requests
  bool for_memory = false;     // refused for want of memory, as far as one can tell
  std::uint32_t tries = 0;     // kSuspect: so many times in a row before it is halved
  std::string type, reason;    // the server's words, sanitised
};

/// No complete HTTP answer; `error` becomes the reason. `out_of_memory`: it is we who failed.
RequestVerdict ClassifyNoAnswer(std::string_view error, bool out_of_memory);
RequestVerdict ClassifyRequest(int http_status, std::string_view body);
/// A 200 answer that ParseBulkResponse refused.
RequestVerdict ClassifyBrokenAnswer(std::string_view why);
/// A refusal (400) that says that we and the server do not speak the same dialect: no document can
/// be blamed for it, not even when it was sent alone.
bool BlamesTheRequest(std::string_view type, std::string_view reason);

enum class ItemAction : std::uint8_t {
  kOk,
  kStale,         // a newer version is there
  kRetry,         // again, with back-off, without limit
  kRetryLimited,  // again kLimitedTries times, then a dead letter
  kAlone,         // refused with its neighbours: again in a request of its own; then a dead letter
  kDead,
  kBlocked,  // this index cannot take writes now
  kIndexMissing,
};
inline constexpr std::uint32_t kLimitedTries = 8;

struct ItemVerdict {
  ItemAction action = ItemAction::kOk;
  bool not_found = false;      // a delete that found nothing
  bool back_pressure = false;  // the server is full
  bool smaller = false;        // its memory is
  bool for_memory = false;     // as far as one can tell
  bool field_limit = false;    // kDead by "Limit of total fields": a sign that the mapping is wrong
  bool unavailable = false;    // kRetry because a shard or a node is away
};

ItemVerdict ClassifyItem(const BulkItem& item);

}  // namespace polyglot::core
