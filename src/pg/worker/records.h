#pragma once
// What the worker writes down of changes: parked keys and dead letters. Every function needs
// the transaction of InTransaction; an error ends the worker.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/delivery/delivery.h"
#include "core/queue/pending_keys.h"
#include "pg/worker/sync_runtime.h"

namespace polyglot::pg {

/// Position part of a version (design.md promise 2: version = epoch × 2^52 + position).
inline constexpr std::uint64_t kPositionMask = (std::uint64_t{1} << 52) - 1;

/// Parks keys: one row for each (document id, routing), however often it changes. `stamp`: a
/// position drawn now. A row that an operation under way may delete gets the new stamp: any of the
/// process, since one that takes the place of a probe's unparks its key. Both keep the sync's
/// ParkedCount in line, without counting rows again.
void ParkKeys(SyncRuntime* sync, const std::vector<core::PendingKey>& keys, std::uint64_t stamp);
/// Deletes the parked rows that these acknowledged operations stand for, unless parked again since.
void UnparkKeys(SyncRuntime* sync, const std::vector<const core::Operation*>& operations);
/// Up to `limit` parked keys that follow `after` (nullptr: the first ones) in the table's order.
std::vector<core::PendingKey> LoadParked(std::int32_t sync, int limit,
                                         const core::PendingKey* after);
/// Deletes all parked rows of a sync.
void DeleteParked(SyncRuntime* sync);
/// Deletes up to `limit` of them, from where it was the last time (ParkedState::cursor); those that
/// somebody has are left. Sets the count to 0 when it has come to the end.
void DeleteSomeParked(SyncRuntime* sync, std::uint64_t limit);
/// Who holds a lock on one of these tables: a prepared transaction, or a process; empty: nobody.
std::string QueueHolder(Oid table_a, Oid table_b);
/// Counts the rows: for the start and the end of a drain only.
ParkedCount CountParked(std::int32_t sync);

struct DeadLetter {
  const core::Operation* operation;
  int status;
  std::string_view error_type, reason;
};
/// So much of a refused document is kept in its dead letter: the row has all of it.
inline constexpr std::size_t kLetterDocument = 8192;
/// Inserts or renews; idempotent. Strings must be UTF-8. Letters that cannot be written are written
/// without their documents. false: none was written, an open
/// transaction of somebody else has the row of one of them.
[[nodiscard]] bool WriteDeadLetters(std::int32_t sync, const std::vector<DeadLetter>& letters);
/// Before that: rows that could not be read left no delete of the document where it had been
/// before. Those keys are parked, to be read again. false: not now, see LockState.
[[nodiscard]] bool ParkFormerRoutings(SyncRuntime* sync,
                                      const std::vector<const core::Operation*>& operations);
/// Newer versions were acknowledged: their older dead letters go.
void ClearDeadLetters(std::int32_t sync, const std::vector<const core::Operation*>& operations);
bool HasDeadLetters(std::int32_t sync);
/// Locks them all. false: an open transaction of somebody else has one.
bool LettersAreFree(std::int32_t sync);

}  // namespace polyglot::pg
