#pragma once
// Which syncs a turn looks at. A thousand that have nothing to do must not cost each turn of the
// one that has: a sync at rest is woken by its events, by answers to what it asked and by whoever
// changes it, and all of them are looked at once a second, when the server comes or goes, and when
// somebody waits or the configuration has changed.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Begins a turn: wakes all syncs when it is time.
void Attend(WorkerContext* context, core::Time now);
/// Ends it: what has nothing to do rests.
void Rest(WorkerContext* context, core::Time now);
/// When all are looked at again; kNever while none rests.
core::Time NextLook(const WorkerContext& context);

}  // namespace polyglot::pg
