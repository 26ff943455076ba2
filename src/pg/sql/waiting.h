#pragma once
// What the functions that wait for workers have in common.

#include "pg/prelude.h"

namespace polyglot::pg {

inline constexpr TimestampTz kNoLimit = DT_NOEND;

/// ERROR 25006 on a standby, 25001 in a transaction that has captured changes itself.
void CheckMayWait(const char* function);
/// When an interval that begins now has passed; SQL NULL: kNoLimit. The argument is an interval,
/// the text of one, or a number of seconds.
TimestampTz DeadlineArgument(FunctionCallInfo fcinfo, int number);
/// A number higher than all before: what the workers begin later answers it.
uint64 NextRequest();
/// WARNING when the sync has any.
void WarnOfDeadLetter(int32 sync, const char* name);

}  // namespace polyglot::pg
