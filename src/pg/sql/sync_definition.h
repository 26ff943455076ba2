#pragma once
// A sync's definition on its way into the tables: shared by create_sync and alter_sync.

#include "pg/prelude.h"
#include "pg/sql/arguments.h"

namespace polyglot::pg {

/// Columns, filter, document, routing: what decides which rows become which documents.
struct DocumentDefinition {
  NameList columns;
  char* filter;
  char* document;
  char* routing;
};
/// All the refusals that concern these four, under the locks of LockTree.
void CheckDocumentDefinition(Oid source, const DocumentDefinition& definition);

/// ERROR 42710 when the name is taken or empty (22023).
void CheckSyncName(const char* name);
/// ERROR 42710 when another sync of that server has this index.
void CheckIndexFree(const char* server, const char* index);

/// The sync starts over from its table at the worker's next look; `reason` is shown in status.
/// Clears a failure. Nothing to do for a sync that has no index yet.
void RequestResync(const SyncRow* sync, const char* reason);
/// Marks a sync as failed; shown in status. Nothing is delivered until alter_sync or resume_sync.
void MarkSyncFailed(int32 sync, const char* reason, const char* hint);
/// Removes everything that is stored for a sync. `drop_index`: the worker removes the index later.
void EndSync(const SyncRow* sync, bool drop_index);

}  // namespace polyglot::pg
