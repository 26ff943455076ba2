#pragma once
// A sync that cannot go on, for a moment or until somebody acts.

#include <string>

#include "pg/guard.h"
#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// The rows of the sync are not read for a moment: what they come to cannot be stored.
void Postpone(SyncRuntime* sync);

/// What others than the owner of the rows may see of an error: texts of the classes that quote
/// values (data, constraints, what functions raise) are told by their SQLSTATE alone. UTF-8.
std::string PublicText(const PgError& error);

/// The sync cannot go on until somebody acts: stored, shown in status, its changes are parked.
/// Where somebody's open transaction has its row, it is stored as a finding when that has ended.
/// Texts in UTF-8; `detail`, if any, is for the owner of the rows only.
void FailSync(WorkerContext* context, SyncRuntime* sync, const char* reason, const char* hint,
              const char* detail = nullptr);
void FailSync(WorkerContext* context, SyncRuntime* sync, const PgError& error);

/// The index takes no writes now: a few keys are tried each 30 s (run_sync: at once), and the sync
/// stays blocked until one of them has an outcome.
void Block(SyncRuntime* sync, core::Time now);
void Unblock(SyncRuntime* sync);

/// Nothing of this sync is sent while it is held, apart from what is on its way.
void Hold(SyncRuntime* sync, bool hold);

inline constexpr core::Time kBlockedRetry{30'000'000};

}  // namespace polyglot::pg
