#pragma once
// One operation on one document: what flows from the re-read of a row to the outcome of its
// delivery.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace polyglot::core {

enum class OperationKind : std::uint8_t { kIndex, kDelete };

/// What waits for an operation's outcome, one number for each kind of origin; 0 = not this origin.
/// When a newer operation replaces an older one of the same id, it takes over the *lowest* number
/// of each origin: a position or a page counts as settled only when all lower numbers are, too, so
/// carrying the lowest is enough.
struct Tickets {
  std::uint64_t scan = 0;   // queue scan that the event was read in
  std::uint64_t page = 0;   // backfill page
  std::uint64_t walk = 0;   // resync walk
  std::uint64_t probe = 0;  // parked key read again
};

struct Operation {
  std::int32_t sync = 0;
  OperationKind kind = OperationKind::kIndex;
  std::uint64_t version = 0;  // external version (design: epoch × 2^52 + position); kept by retries
  std::shared_ptr<const std::string> index;  // physical index name
  std::string id;                            // `_id`, 1–512 bytes
  std::optional<std::string> routing;
  std::string body;  // one JSON object without raw newlines; empty for deletes
  std::string key;   // packed key values (core/queue/queue_record.h): what a dead letter re-reads
  Tickets tickets;
  // A delete where the document was before it moved. It goes after the document, at a version below
  // it: when both routings fall on one shard it finds a newer document, and whatever is cut off
  // after it, a document is there.
  bool former = false;
  std::uint32_t attempts = 0;  // deliveries that ended without a final outcome

  /// Bytes that this operation holds in memory, roughly.
  std::size_t Footprint() const {
    return sizeof(*this) + id.size() + body.size() + key.size() + (routing ? routing->size() : 0);
  }
};

}  // namespace polyglot::core
