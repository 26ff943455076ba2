#pragma once
// A sync's rows, written from its runtime: what the catalog room stores as plain values, and what
// the runtime has to know of it. Every function needs the transaction of InTransaction.

#include <cstdint>
#include <vector>

#include "core/operation.h"
#include "core/queue/pending_keys.h"
#include "pg/worker/state/sync_runtime.h"

namespace polyglot::pg {

/// Locks the sync's row of sync_state until the end of the transaction. false: nothing is stored
/// before `store_at` (see LockStateRow).
bool LockState(SyncRuntime* sync);
void StoreIndex(SyncRuntime* sync);
void StoreBackfill(SyncRuntime* sync);

/// Parks keys. `stamp`: a position drawn now. Operations of any sync may be under way, since one
/// that takes the place of a probe's unparks its key. All of these keep the sync's ParkedCount in
/// line, without counting rows again.
void ParkKeys(SyncRuntime* sync, const std::vector<core::PendingKey>& keys, std::uint64_t stamp);
/// Those that these acknowledged operations stand for are parked no more.
void UnparkKeys(SyncRuntime* sync, const std::vector<const core::Operation*>& operations);
void DeleteParked(SyncRuntime* sync);
/// Deletes up to `limit` of them, from where it was the last time (ParkedState::cursor). Sets the
/// count to 0 when it has come to the end.
void DeleteSomeParked(SyncRuntime* sync, std::uint64_t limit);
/// Before dead letters are written: rows that could not be read left no delete of the document
/// where it had been before. Those keys are parked, to be read again. false: not now, see
/// LockState.
[[nodiscard]] bool ParkFormerRoutings(SyncRuntime* sync,
                                      const std::vector<const core::Operation*>& operations);

}  // namespace polyglot::pg
