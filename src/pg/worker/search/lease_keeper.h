#pragma once
// Holds the lease of each sync (core/ownership/lease.h): takes it before anything else is done in
// the search cluster for the sync, renews it, and lets nothing be written without it. It names the
// alias, not a physical index: of two copies of a database that both find their index gone, one
// only may make the next one.
//
// Requests that were sent before a lease was lost may land later. They lose by version wherever the
// next owner has written, and what they leave elsewhere is found by the comparison that follows.

#include <functional>

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Who this server is. Needs a transaction.
void LoadLeaseIdentity(WorkerContext* context);
/// May requests that change something be made for this sync (or the one that it builds for) now?
bool HoldsLease(WorkerContext* context, const SyncRuntime& sync, core::Time now);
/// Takes the lease for `sync`, then calls `then`. If it cannot be had the index counts as
/// unavailable, and this is to be asked again at its retry_at; if somebody else lives and writes
/// the sync fails. C++ phase.
void AskLease(WorkerContext* context, SyncRuntime* sync, core::Time now,
              std::function<void(WorkerContext*, SyncRuntime*)> then);
/// The lease of this sync, or of the one that it builds for.
LeaseState* LeaseOf(WorkerContext* context, const SyncRuntime& sync);
/// The lease is as it was found: the index belongs to somebody else.
void GiveBackLease(WorkerContext* context, SyncRuntime* sync);
/// The sync has ended: nobody needs its lease, nor its claim.
void DropLease(WorkerContext* context, const SyncRuntime& sync);
/// Renews what is due. C++ phase.
void KeepLeases(WorkerContext* context, core::Time now);
/// Holds what may not be written any more: to be called with the time of now, before anything is
/// sent. C++ phase.
void HoldWithoutLease(WorkerContext* context, core::Time now);
core::Time NextLeaseDeadline(const WorkerContext& context);
/// A clean end: whoever comes next need not watch whether we live. Waits a fraction of a second at
/// most, without PostgreSQL's help: it is called while the process exits.
void ReleaseLeases(WorkerContext* context) noexcept;

}  // namespace polyglot::pg
