#pragma once
// Whether somebody who asks for a document could have read the same rows himself. A document is
// read as the owner of the sync's source; what others see of a view may be less than that.

#include "pg/catalog/sync_row.h"

namespace polyglot::pg {

/// nullptr: the caller sees by SELECT what the sync's query reads. Otherwise why he may not, as
/// errdetail. Asked only of callers who have not the privileges of the source's owner. Runs nothing
/// that users wrote.
const char* WhyRowsAreHidden(const SyncRow* sync);

}  // namespace polyglot::pg
