#pragma once
// polyglot.reading and polyglot.set_aside: what the worker of a queue was reading when it died, and
// what workers have died on twice. Items are hashes. Needs a transaction; may ereport.

#include <cstdint>
#include <vector>

#include "pg/prelude.h"

namespace polyglot::pg {

/// What the last worker was reading, if its processes were restarted less often than `restarts`
/// then, is set aside. false: there is no such thing.
bool SetAsideMarked(std::int32_t queue, std::int32_t restarts);
/// Nothing is being read now. What was set aside a day ago may be read again.
void ForgetMarks(std::int32_t queue);
std::vector<std::int64_t> LoadSetAside(std::int32_t queue);
void MarkReading(std::int32_t queue, std::int64_t item, std::int32_t restarts);

}  // namespace polyglot::pg
