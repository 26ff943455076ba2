#pragma once
// polyglot.reading and polyglot.set_aside: what the worker of a queue was reading when it died, and
// what workers have died on twice in a row. Items are hashes. Needs a transaction; may ereport.

#include <cstdint>
#include <vector>

#include "pg/prelude.h"

namespace polyglot::pg {

/// What the last worker was reading is suspected, if processes had been restarted less often than
/// `restarts` then; if it was suspected already it is set aside. true: that.
bool SetAsideMarked(std::int32_t queue, std::int32_t restarts);
/// Nothing is being read; what was suspected and has been read is suspected no more.
void ClearMark(std::int32_t queue);
/// Those of another postmaster: they say nothing.
void DropMarks(std::int32_t queue);
/// What was set aside a day ago may be read again: another version may read what this one could
/// not.
void EndSetAside(std::int32_t queue);
std::vector<std::int64_t> LoadSetAside(std::int32_t queue);
void MarkReading(std::int32_t queue, std::int64_t item, std::int32_t restarts);

}  // namespace polyglot::pg
