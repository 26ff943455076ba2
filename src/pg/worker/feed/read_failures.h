#pragma once
// Rows that cannot become documents.

#include <list>

#include "core/queue/pending_keys.h"
#include "pg/document/row_batch.h"
#include "pg/worker/state/sync_runtime.h"

namespace polyglot::pg {

/// A dead letter for each: recorded in the running transaction, before its event counts as settled.
/// `keys`: those that were read; where the document was before is known only to them, so each of
/// their routings has a letter of its own (see ParkFormerRoutings). nullptr: all rows of a page.
/// false: not now, see LockState.
[[nodiscard]] bool RecordReadFailures(SyncRuntime* sync, const RowBatch& batch,
                                      std::uint64_t version,
                                      const std::list<core::PendingKey>* keys = nullptr);

}  // namespace polyglot::pg
