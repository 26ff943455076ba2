#pragma once
// Positions of versions: one counter for all databases of the cluster.

#include "pg/prelude.h"

namespace polyglot::pg {

/// `count` strictly increasing positions, the last one returned; never beyond the flush LSN (writes
/// and flushes an empty logical message when needed). Draw before taking the snapshot of a re-read.
uint64 DrawPositions(int count);

}  // namespace polyglot::pg
