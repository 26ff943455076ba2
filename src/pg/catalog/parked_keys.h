#pragma once
// polyglot.parked_key: keys whose changes cannot be delivered now. Needs a transaction; may
// ereport.

#include <cstdint>
#include <string>
#include <vector>

#include "core/operation.h"
#include "core/queue/pending_keys.h"

namespace polyglot::pg {

/// Rows of polyglot.parked_key.
struct ParkedCount {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  // about what they take on disk, index included
  std::int64_t oldest = 0;  // capture time of the oldest, or of one that has gone; 0: none
};

/// One row for each (document id, routing), however often it changes. `stamp`: a position drawn
/// now. A row that an operation under way may delete, one with a position up to `newest`, gets the
/// new stamp. Returns what has come in addition.
ParkedCount InsertParked(std::int32_t sync, const std::vector<core::PendingKey>& keys,
                         std::uint64_t stamp, std::uint64_t newest);
/// Deletes the rows that these acknowledged operations stand for, unless parked again since, and
/// returns how many.
std::uint64_t DeleteDelivered(std::int32_t sync,
                              const std::vector<const core::Operation*>& operations);
/// Up to `limit` parked keys that follow `after` (nullptr: the first ones) in the table's order.
std::vector<core::PendingKey> LoadParked(std::int32_t sync, int limit,
                                         const core::PendingKey* after);
/// Deletes all parked rows of a sync, those that somebody has locked left out.
void DeleteAllParked(std::int32_t sync);
/// Up to `limit` of them, from this document id on.
struct DeletedParked {
  std::uint64_t rows = 0;  // fewer than the limit: the end was reached
  std::string last_id;
};
DeletedParked DeleteSomeOfParked(std::int32_t sync, const std::string& from, std::uint64_t limit);
/// Counts the rows: for the start and the end of a drain only.
ParkedCount CountParked(std::int32_t sync);
/// Keys of (document_id, routing, has_routing, key, captured_at), the rows of the last statement.
void TakeKeys(std::vector<core::PendingKey>* keys);

}  // namespace polyglot::pg
