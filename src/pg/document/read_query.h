#pragma once
// The SQL that reads a sync's rows. Every name in it is qualified and quoted; the only free text is
// the sync's own filter and document expression. palloc'd in CurrentMemoryContext.

#include "pg/document/read_plan.h"
#include "pg/prelude.h"

namespace polyglot::pg {

enum class Select { kRow, kFilter, kKeyOnly };

/// Rows with given keys. Parameters: an array for each key column in the order of plan.order, or
/// with !plan.keys_in_arrays the values of one key.
const char* KeysQuery(const ReadPlan& plan, const SyncRow& sync, Select select);
/// Rows whose one key is not less than the first parameter and not greater than the second.
const char* RangeQuery(const ReadPlan& plan, const SyncRow& sync);
/// The next `limit` rows in key order; `after`: beyond the key in the parameters, in the order of
/// plan.order.
const char* PageQuery(const ReadPlan& plan, const SyncRow& sync, const PageKind& kind);

}  // namespace polyglot::pg
