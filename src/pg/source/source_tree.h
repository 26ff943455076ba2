#pragma once
// The relations that a source stands for: its partitions, or the tables that inherit from it.
// Needs a transaction; may ereport.

#include "pg/prelude.h"

namespace polyglot::pg {

/// Has the relation changes of its own that a trigger sees? Views and foreign tables have not.
bool CanBeCaptured(Oid relation);

/// The source and everything below it that a worker reads and that can be captured. Other
/// sessions' temporary tables cannot be read; for foreign tables see TreeProblem. Locks nothing.
List* SourceTree(Oid source);

/// Is `relation` the source or below it, however deep?
bool IsInTree(Oid relation, Oid source);

/// Everything below the relation as pg_inherits has it now, sorted: also tables whose creator has
/// committed but not yet told others, of which the planner does not know.
List* RelationsBelow(Oid relation);

/// The relation and everything that it is below of, however deep.
List* RelationsAbove(Oid relation);

/// May the column hold NULLs, as far as anything has been proven? true also without such a column.
bool ColumnMayBeNull(Oid relation, AttrNumber number);

/// Do (or did) tables inherit from this one, without being its partitions?
bool HasHeirs(Oid source);

/// Why a relation below the source makes the sync impossible, with *hint; nullptr: nothing does.
/// The columns are those of the key.
char* TreeProblem(Oid source, int key_count, char* const* key, const char** hint);

/// WARNINGs that nothing checks the key across tables that inherit from the source, and that those
/// of `members` without an index on it are slow to read.
void WarnOfHeirs(Oid source, int key_count, char* const* key, List* members);

/// Backends look up again what they must record for this tree (takes effect with the commit).
void InvalidateTree(Oid source);

}  // namespace polyglot::pg
