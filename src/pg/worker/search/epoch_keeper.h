#pragma once
// Keeps the versions of a sync above everybody else's: judges, whenever an index was looked at,
// whether another life of this database has written into it (core/ownership/epoch.h), and writes
// the bound of versions ahead, to our table first, then to the index. An operation beyond the bound
// waits.

#include "core/ownership/epoch.h"
#include "core/search/index_requests.h"
#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// System identifier, database and timeline of this very process.
core::VersionRecord ThisDatabase();
/// What is to stand in the `_meta` of the sync's index.
core::VersionRecord RecordToWrite(const SyncRuntime& sync);

/// A sync that was loaded: its first bound and timeline are stored. Needs a transaction.
void StartVersions(SyncRuntime* sync, std::uint64_t stored_bound, std::uint32_t stored_timeline);
/// The index is there and has the right UUID: it becomes ready if nobody else's versions are in it.
/// C++ phase.
void AcceptIndex(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index);

/// Stores new epochs, raises bounds that are half used up. Opens transactions of its own.
void KeepVersions(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
