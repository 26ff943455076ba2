#pragma once
// The key arguments of polyglot.enqueue, preview_document and inspect: `VARIADIC key "any"` (one
// value for each key column, or one jsonb object with the columns by name, or VARIADIC array) and
// `key text`. C-like code: ereports, palloc'd in CurrentMemoryContext.

#include "pg/catalog/sync_row.h"
#include "pg/prelude.h"

namespace polyglot::pg {

struct KeyArgument {
  char* packed;  // packed key (core/queue/queue_record.h): key columns in the sync's order
  int packed_length;
  Datum values[INDEX_MAX_KEYS];  // of the columns' base types
};

/// Reads arguments `first` and on of a VARIADIC "any" function. Texts are read under the caller's
/// settings, as any literal of his. ERROR 22023 with a hint that names the key columns when number
/// or types do not fit, 22004 for a NULL.
void ParseKeyArguments(FunctionCallInfo fcinfo, int first, const SyncRow& sync, KeyArgument* out);

/// Reads the text of a key: a single key column's input; for several columns a JSON object, or the
/// document id as the views show it (`7,a\,b`).
void ParseKeyText(const char* text, const SyncRow& sync, KeyArgument* out);

}  // namespace polyglot::pg
