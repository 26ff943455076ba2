#pragma once
// How far each sync had got when that was written last: the control record in the queue
// (core/queue/control_record.h), and the acknowledged snapshot in shared memory, which
// polyglot.outbox goes by.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Reads at start: where each sync had got to (the newest control record in the queue).
void ReadPositions(WorkerContext* context);

/// Writes the control record. Needs a transaction.
void WriteControl(WorkerContext* context);

/// Moves the sync's position to the newest full scan that is settled, and returns that; nullptr:
/// none yet. *lowest becomes the lowest settled scan of all that were asked for.
const ScanInfo* AdvancePosition(WorkerContext* context, SyncRuntime* sync, std::uint64_t* lowest);
/// Views see the sync's position as acknowledged from now on. It has a slot.
void PublishAcknowledged(const SyncRuntime& sync);

}  // namespace polyglot::pg
