#pragma once
// Finds the index behind a sync's key, and how SQL has to compare key columns so that it is used.

#include "pg/document/read_plan.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// Fills plan->order from the unique index on exactly the key columns. ERROR 42704 with a hint when
/// there is none. plan->key, prefix and memory must be set.
void MakeKeyOrder(ReadPlan* plan, Relation source);

}  // namespace polyglot::pg
