#pragma once
// Makes the plan of a sync: what is read, in which form, by which statements.

#include "pg/catalog/sync_row.h"
#include "pg/document/read_plan.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// Fills a zeroed plan in `memory` and prepares by_keys. Call inside SPI_connect and the source's
/// security context of `owner`. ERROR for everything that makes the sync unreadable.
void MakeReadPlan(ReadPlan* plan, const SyncRow& sync, Oid owner, MemoryContext memory);
/// Prepares by_range unless it is there.
void PrepareRange(ReadPlan* plan, const SyncRow& sync);
/// Prepares filter_by_keys unless it is there.
void PrepareFilter(ReadPlan* plan, const SyncRow& sync);
/// The plan of a page; those of another limit or partition go.
SPIPlanPtr PagePlan(ReadPlan* plan, const SyncRow& sync, const PageKind& kind);
/// May each partition be read for itself, with the same rights and results? (part_pages.cpp)
bool ReadsByParts(const ReadPlan& plan, const SyncRow& sync);

}  // namespace polyglot::pg
