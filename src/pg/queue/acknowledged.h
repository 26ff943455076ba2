#pragma once
// How far a sync has come, as its worker has told the views.

#include "core/queue/snapshot.h"
#include "pg/catalog/sync_row.h"

namespace polyglot::pg {

/// Of shared memory; xmax 0: not known there. What it sees is delivered, or parked.
core::Snapshot AcknowledgedOf(const SyncRow& row);

}  // namespace polyglot::pg
