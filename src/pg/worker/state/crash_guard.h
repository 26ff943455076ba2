#pragma once
// No byte of a queue row, a parked key or a table may keep a cluster down. A signal that ends a
// worker makes PostgreSQL restart all processes, and the next worker would read the same again.
// After such a restart a worker is careful for a while: it reads one thing at a time, and what it
// is about to read stands in polyglot.reading, committed. What is found there after two such deaths
// in a row is set aside: a queue row is not looked into (its syncs are filled anew), a key becomes
// a dead letter, a backfill that dies on its next row fails its sync, a verification ends. Without
// a crash all of this costs nothing.

#include <string>
#include <string_view>

#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// At the start of a worker, in a transaction of its own: sets aside what the last one died on.
void LoadCrashGuard(WorkerContext* context);
/// Is this worker to read one thing at a time?
bool Careful();
/// After a crash: these bytes are about to be read. A transaction of its own. The note stands until
/// the end of this turn, or until EndReading: `for_long`.
void NoteReading(const WorkerContext& context, std::string_view bytes, bool for_long = false);
/// They were read, and nothing is noted any more. A transaction of its own.
void EndReading(const WorkerContext& context);
/// Was it these bytes that workers died on?
bool IsSetAside(std::string_view bytes);
/// How many such things there are, in words; empty: none.
std::string SetAsideText();
/// Ends being careful when everything that was there at the start has been read, or enough of it:
/// the more crashes have followed each other, the more.
void EndCare(WorkerContext* context, core::Time now);

}  // namespace polyglot::pg
