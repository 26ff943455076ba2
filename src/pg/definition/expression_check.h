#pragma once
// Checks filter and document expressions when a sync is made or altered.

#include "pg/prelude.h"

namespace polyglot::pg {

/// Parses and type-checks `expression` over the rows of `source`, as its owner with the search_path
/// of the worker. ERROR 42601 (not one expression), 42804 (type), 42P17 (volatile), 42803
/// (aggregate and the like), or what the parser says. WARNING when it may read other tables: their
/// changes will not be noticed. `what` is "filter" or "document".
/// Errors name the expression and its place in it, in the context that of the sync.
void CheckExpression(Oid source, const char* sync, const char* what, const char* expression,
                     Oid wanted_type);

/// Does `expression` read rows of `source` as a whole, so that it takes a new column along? Also
/// true when it cannot be parsed any more.
bool ReadsWholeRow(Oid source, const char* expression);

/// Why an expression that CheckExpression has accepted cannot be used any more, palloc'd; nullptr:
/// it can.
const char* WhyUnusable(Oid source, const char* what, const char* expression, Oid wanted_type);

/// `SELECT (expression) FROM source`, parsed as the source's owner with the search_path of the
/// worker. ERROR when it cannot be any more.
Query* AnalyzeAsOwner(Oid source, const char* expression);

}  // namespace polyglot::pg
