#pragma once
// One owner for each index, whatever name a sync calls it by: nothing is written to an index, and
// none is deleted, before it was asked whose it is (core/ownership/index_owner.h). C++ phase.

#include <functional>

#include "core/ownership/index_owner.h"
#include "core/search/index_requests.h"
#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

enum class IndexOwner {
  kNobody,   // or a sync that has been dropped
  kThis,     // the sync itself, or the one that it builds for
  kSibling,  // another sync of this database
  kForeign,  // a sync of another database
};
IndexOwner OwnerNamed(const WorkerContext& context, const SyncRuntime& sync,
                      const core::VersionRecord& record);
/// By the record in the index itself.
IndexOwner OwnerOf(const WorkerContext& context, const SyncRuntime& sync,
                   const core::IndexDescription& index);

struct Refusal {
  std::string reason, hint;
};
Refusal BelongsToOther(const std::string& index, IndexOwner owner);

using OwnedThen = std::function<void(WorkerContext*, SyncRuntime*)>;

/// The index that a sync does not manage is its own from now on, or was before: then `then` is
/// called. Otherwise the sync fails, and gives its lease back. `sync->index.checking` must be set.
void ClaimIndex(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index,
                OwnedThen then);

/// What follows CheckHolders.
struct HolderAnswers {
  OwnedThen free;
  std::function<void(WorkerContext*, SyncRuntime*, const Refusal&)> refused;
  std::function<void(WorkerContext*, SyncRuntime*, const net::Response&)> unavailable;
};
/// May the alias of a managed sync be taken from these indexes, and one that bears its very name be
/// deleted? That one is marked as this sync's, so that nobody takes it meanwhile.
void CheckHolders(WorkerContext* context, SyncRuntime* sync,
                  std::vector<core::IndexDescription> holders, HolderAnswers answers);
/// Another sync has the name: this one fails, and its lease is as it was before.
void RefuseName(WorkerContext* context, SyncRuntime* sync, const Refusal& refusal);

}  // namespace polyglot::pg
