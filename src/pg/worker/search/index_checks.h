#pragma once
// "Is it still the same index?", asked for many syncs in one request. An answer that confirms one
// is taken; about every other one the server is asked alone, so nothing is concluded from what a
// request about many does not tell. C++ phase.

#include <vector>

#include "core/search/index_requests.h"
#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

using CompareIndex = void (*)(WorkerContext*, SyncRuntime*, const core::IndexDescription&);

/// Takes those out of `due`, all of one channel, that nothing waits for and whose index was there
/// last time, if there are several, and asks for them. `compare` is called for each that is found.
void AskTogether(WorkerContext* context, std::vector<SyncRuntime*>* due, CompareIndex compare,
                 core::Time now);

}  // namespace polyglot::pg
