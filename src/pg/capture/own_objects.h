#pragma once
// What may not be done to the extension's own schema, tables and functions.

#include "pg/prelude.h"

namespace polyglot::pg {

/// ERROR 2BP01 when the statement took an object of ours away from where everything else looks for
/// it: a capture that finds its tables no more could only lose changes or make every writer fail.
void RefuseOurs(Oid class_id, Oid object_id, const Node* statement);

}  // namespace polyglot::pg
