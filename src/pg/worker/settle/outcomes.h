#pragma once
// What happens with the outcomes of operations: dead letters and parked keys are written down
// before the events they stand for count as settled; counters; reactions to a server, credentials
// or index that take no writes.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Takes finished operations from every channel and settles them. Returns true when there were any.
bool SettleOutcomes(WorkerContext* context);
/// Reacts to what delivery noticed about servers, credentials and indexes.
void TakeDeliveryEvents(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
