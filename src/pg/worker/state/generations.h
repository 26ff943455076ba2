#pragma once
// Generations as the rest of the worker sees them: which one is being built, and that another one
// is wanted.

#include <string>

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// The generation that is being built for this sync, or nullptr.
SyncRuntime* BuildingOf(WorkerContext* context, const SyncRuntime& live);

/// A new generation is to be built for this sync (or the one that `sync` builds for): stored by the
/// next StartWantedRebuilds.
void WantRebuild(WorkerContext* context, const SyncRuntime& sync, const char* reason, bool outdated,
                 bool frozen);
/// Something that no key event tells: a new generation, or the resync path where the index is
/// somebody else's. Needs a transaction.
void BringInStep(WorkerContext* context, SyncRuntime* sync, const char* reason);

/// This generation goes and is begun again later: noted for the log and status.
void RebuildFailed(WorkerContext* context, const SyncRuntime& building, const char* reason);

/// Name of a generation's index.
std::string PhysicalName(const SyncRuntime& sync, int generation);

/// How many documents the new indexes must have, with the positions. Needs a transaction.
void StoreDocumentCounts(WorkerContext* context);

}  // namespace polyglot::pg
