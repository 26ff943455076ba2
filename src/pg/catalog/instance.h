#pragma once
// polyglot.instance: which installation this is, and whether its workers run.

#include <initializer_list>

#include "pg/prelude.h"

namespace polyglot::pg {

/// The database's queue identity: queue rows of other instances (copied by a subscription or a
/// restore) are ignored.
int32 InstanceNumber();
bool WorkersEnabled();

}  // namespace polyglot::pg
