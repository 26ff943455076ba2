#pragma once
// What the worker writes down of a sync (polyglot.sync_state). Every function needs the transaction
// of InTransaction; an error ends the worker.

#include <cstdint>

#include "pg/worker/sync_runtime.h"

namespace polyglot::pg {

/// Locks the sync's row of sync_state until the end of the transaction. false: an open transaction
/// of somebody else has it (drop_sync, or DDL that fails the sync), or it is gone: nothing is
/// stored before `store_at`, because the worker must not wait for him.
bool LockState(SyncRuntime* sync);
/// `detail` is shown to the owner of the rows only.
void StoreFailed(std::int32_t sync, const char* reason, const char* hint, const char* detail);
/// What status shows after a restart. `at`: TimestampTz.
void StoreLastError(std::int32_t sync, const char* text, std::int64_t at);
void StoreIndex(std::int32_t sync, const IndexState& index);
void StorePhase(std::int32_t sync, const char* phase);
/// nullptr: index and table have been compared.
void StoreRepair(std::int32_t sync, const char* reason);
/// Phase 'resync' from V, cause kept for the log; the backfill starts over.
void StoreResync(std::int32_t sync, std::uint64_t version, const char* reason);
/// Also how many documents there must be then.
void StoreBackfill(const SyncRuntime& sync);

}  // namespace polyglot::pg
