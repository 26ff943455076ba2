#pragma once
// An index is filled: a backfill, or the resync path, is begun, begun anew, or asked for.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Draws V, stores it and starts the path (over). Needs a transaction: it is part of what settles
/// the event that asked for it.
void RequestResync(SyncRuntime* sync, const char* reason);
/// The path is to begin when the index is ready; V is drawn then. Until then no event of this sync
/// counts. Phase 'resync' without a version says the same in the table.
void WantResync(SyncRuntime* sync, const std::string& reason);
/// The same, now or as soon as nobody's open transaction has the sync's row any more. The sync's
/// position waits for that.
void RequestResyncSoon(WorkerContext* context, SyncRuntime* sync, const char* reason);
/// The resync that is wanted, under the lock of the sync's row.
void StoreWantedResync(WorkerContext* context, SyncRuntime* sync);
bool ResyncDue(const SyncRuntime& sync);

/// Goes on with a resync that was stored before this worker started.
void ContinueResync(SyncRuntime* sync, std::uint64_t version);

/// Starts (or goes on, from `acknowledged`). C++ phase.
void StartBackfill(SyncRuntime* sync);
/// Forgets the running backfill and its progress.
void ResetBackfill(SyncRuntime* sync);
/// Goes back to what is acknowledged: pages read beyond it are read again. For a pause.
void RewindBackfill(SyncRuntime* sync);
/// The option "backfill_rate" of a sync that was loaded or changed. Needs a transaction.
void ConfigureBackfill(SyncRuntime* sync, const char* options);

}  // namespace polyglot::pg
