#pragma once
// A sync's definition on its way into the tables: shared by create_sync and alter_sync.

#include "pg/catalog/sync_row.h"
#include "pg/definition/name_list.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// Columns, filter, document, routing: what decides which rows become which documents.
struct DocumentDefinition {
  NameList columns;
  char* filter;
  char* document;
  char* routing;
};
/// All the refusals that concern these four, under the locks of LockTree.
void CheckDocumentDefinition(Oid source, const char* sync, const DocumentDefinition& definition);

/// ERROR 42710 when the name is taken or empty (22023).
void CheckSyncName(const char* name);
/// ERROR 42710 when another sync of that cluster, as far as this database can know, has this index,
/// or may make one of that name; `managed`: so may the new one.
void CheckIndexFree(Oid server, const char* index, bool managed);

/// What a rebuild means for the index that is searched until it has ended.
enum class LiveIndex {
  kInStep,    // it goes on showing what the table holds
  kOutdated,  // it gets all changes, but rows that did not change make other documents now
  kFrozen,    // it shows the last state before this and gets no more changes
};
/// A new index is filled from the table beside the one in use; of a sync whose index is not managed
/// documents are brought in step in place.
void RequestRebuild(const SyncRow* sync, const char* reason, LiveIndex live);
/// The same for all syncs of a source whose indexes are managed.
void RequestRebuilds(Oid source, const char* reason, LiveIndex live);
/// Marks a sync as failed; shown in status. Nothing is delivered until alter_sync or resume_sync.
void MarkSyncFailed(int32 sync, const char* reason, const char* hint);
/// Removes everything that is stored for a sync. `drop_index`: the worker removes the index later.
void EndSync(const SyncRow* sync, bool drop_index);

}  // namespace polyglot::pg
