#pragma once
// Brings what the worker knows of its syncs in line with the tables.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Reads server, credentials and syncs anew, in a transaction of its own. Sets context->leave when
/// there is nothing left to do here.
void LoadConfiguration(WorkerContext* context);
/// A generation that is being built, as its row tells; the row was made in this transaction.
SyncRuntime* AddBuilding(WorkerContext* context, std::int32_t id, Channel* channel);
/// Withdraws what waits and forgets the runtime. Requests on their way are not stopped.
void ForgetSync(WorkerContext* context, SyncRuntime* sync);
/// Answers to requests name the incarnation that asked.
std::uint64_t NewIncarnation();
/// Reads credentials, secret files and addresses again where the server was not reached or refused
/// us.
void ReloadCredentials(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
