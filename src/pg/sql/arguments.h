#pragma once
// Arguments of SQL functions as plain data, and the checks that many of these functions share.

#include "pg/catalog/sync_row.h"
#include "pg/definition/name_list.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// nullptr: SQL NULL. Of an argument that is declared as "any" the text that the value has as a
/// document id.
char* TextArgument(FunctionCallInfo fcinfo, int number);
/// The same for a `name` argument.
char* NameArgument(FunctionCallInfo fcinfo, int number);
/// ERROR 22004 when the argument is NULL; `what` names it.
char* RequiredText(FunctionCallInfo fcinfo, int number, const char* what);

/// ERROR 22004/22023 for NULL elements, an empty array, or a name given twice.
NameList NameListArgument(FunctionCallInfo fcinfo, int number, const char* what);

/// The sync of argument 0: ERROR 42704 when there is none, 42501 unless the caller owns its source
/// (or the source is gone and the caller owns the extension).
SyncRow* OwnedSyncArgument(FunctionCallInfo fcinfo);
void CheckOwner(const SyncRow* sync);
/// ERROR 25006 on a standby and in read-only transactions.
void CheckMayWrite(const char* function);

}  // namespace polyglot::pg
