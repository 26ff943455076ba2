#pragma once
// Which indexes bear the alias of a sync: the one that it fills, and no other. C++ phase.

#include <vector>

#include "core/search/index_requests.h"
#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Does the alias that applications search name the index that is filled? Noted for `status`.
void NoteAlias(SyncRuntime* sync, const core::IndexDescription& index);
/// Asks from time to time whether it names others as well.
void LookAtAlias(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index);

/// Has this index, which searches are to find when it is filled, got the alias already? An index
/// template may give it.
bool HasAliasEarly(const SyncRuntime& sync, const core::IndexDescription& index);
/// Takes it away, unless no other index has it: then it was moved, and that was not stored. The
/// index is looked at again, or accepted.
void TakeAliasAway(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index);

/// Of what GET of the alias has found: those that are deleted when the alias takes their name.
std::vector<core::IndexDescription> ReplacedBy(const SyncRuntime& sync,
                                               const std::vector<core::IndexDescription>& holders);

}  // namespace polyglot::pg
