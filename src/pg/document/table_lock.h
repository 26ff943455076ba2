#pragma once
// Locks for reading rows, got without waiting.

#include "pg/prelude.h"

namespace polyglot::pg {

/// Locks a relation, the tables below it and their indexes (ACCESS SHARE) until the end of the
/// transaction. false: somebody is at work on one of them, or waits to be. May ereport.
bool TryLockTree(Oid relation);

}  // namespace polyglot::pg
