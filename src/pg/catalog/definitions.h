#pragma once
// polyglot.sync_definition as DDL changes it. Needs a transaction and an SPI connection, as the
// extension's owner; may ereport. Reading: sync_row.h.

#include "pg/prelude.h"

namespace polyglot::pg {

/// Definitions keep names, because only names can be dumped: they follow the rename of a column.
void RenameDefinedColumn(Oid source, const char* from, const char* to);
/// Definitions and queue of a server follow its name.
void FollowServerName(Oid server);

}  // namespace polyglot::pg
