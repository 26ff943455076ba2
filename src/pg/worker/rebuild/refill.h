#pragma once
// A sync that could not write for long may have so many parked keys that filling a new generation
// costs less than reading their rows one by one. The live generation goes on beside it as ever:
// only its parked keys are left alone, and go with it. Should nothing come of the new one, they are
// drained.

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// Decides, once after each time that the sync could not write, and begins the rebuild. true: its
/// parked keys are not to be drained now. PostgreSQL phase of its own.
bool LeavesParked(WorkerContext* context, SyncRuntime* sync);
/// To be told that the sync cannot write: the next decision is another one.
void JudgeAgain(SyncRuntime* sync);
/// Is this generation built for that reason alone?
bool OnlyRefills(const SyncRuntime& live, const SyncRuntime& building);
/// What is going on, for status; empty: nothing.
const char* RefillNotice(const SyncRuntime& sync);

}  // namespace polyglot::pg
