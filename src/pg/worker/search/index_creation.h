#pragma once
// The request that makes an index, and what a refusal of it means (core/search/refused_index.h).
// C++ phase.

#include <functional>

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Makes the index of this generation, or of a later one where names are taken, then calls `made`
/// with physical name and generation set. Otherwise the sync is blocked, asked again, or refused.
void MakeIndex(WorkerContext* context, SyncRuntime* sync, int generation,
               std::function<void(WorkerContext*, SyncRuntime*)> made);

}  // namespace polyglot::pg
