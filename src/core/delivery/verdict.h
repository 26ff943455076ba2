#pragma once
// What is to be done about an answer.

#include <cstdint>
#include <string>

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
  bool full = false;           // it has no room just now, and says so
  bool node_is_dead = false;   // the node that was asked is unwell, others may not be
  std::uint32_t tries = 0;     // kSuspect: so many times in a row before it is halved
  std::string type, reason;    // the server's words, sanitised
};

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

/// What an answer says of one operation. `type` and `reason` are the target's words for a dead
/// letter and may quote row values.
struct ItemJudgement {
  ItemVerdict verdict;
  int status = 0;  // of HTTP, where there is one
  std::string type, reason;
};

}  // namespace polyglot::core
