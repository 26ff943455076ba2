#pragma once
// What event triggers should have told, but may not have: they can be switched off, some commands
// tell them late or nothing.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Every minute, and when the configuration is reloaded: are the capture triggers as they must be,
/// are the tables still those that the index was filled from? Brings in step what is not; removes
/// triggers that nobody needs any more. Waits for no lock. false: one was not to be had.
bool CheckSources(WorkerContext* context);

/// Has the process notice changes of owners. Call once.
void WatchOwners();
/// Is each source still its owner's? When something has changed, once a second at most.
void CheckOwners(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
