#include "pg/definition/sync_definition.h"

#include "pg/catalog/change_announcement.h"
#include "pg/catalog/dropped_indexes.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/definition/definition_checks.h"
#include "pg/definition/expression_check.h"
#include "pg/definition/published_source.h"
#include "pg/source/source_tree.h"

namespace polyglot::pg {

namespace {

// One statement on our own tables, as their owner.
uint64 Change(const char* sql, std::initializer_list<const char*> parameters) {
  AsExtensionOwner as_owner;
  SPI_connect();
  uint64 rows = Execute(sql, parameters);
  SPI_finish();
  CommandCounterIncrement();
  return rows;
}

void InsertRequests(const char* which, const char* value, const char* reason, LiveIndex live) {
  Change(psprintf("INSERT INTO polyglot.rebuild_request (sync_id, reason, outdated, frozen)"
                  " SELECT d.id, $2, $3::boolean, $4::boolean FROM polyglot.sync_definition d"
                  " JOIN polyglot.sync_state s ON s.sync_id = d.id WHERE d.manage_index AND %s",
                  which),
         {value, reason, live == LiveIndex::kInStep ? "false" : "true",
          live == LiveIndex::kFrozen ? "true" : "false"});
}

// A generation that was being built leaves no index behind. When the alias has just been given to
// it, the one before goes instead: the worker looks.
void DropGenerations(const SyncRow* sync, bool all) {
  char* id = psprintf("%d", sync->id);
  Change(psprintf("INSERT INTO polyglot.dropped_index (server, physical_index, alias, index_uuid,"
                  " unless_aliased, owner)"
                  " SELECT s.server, s.physical_index, $2, s.index_uuid, NOT $3::boolean, $4::oid"
                  " FROM polyglot.sync_state s WHERE s.physical_index IS NOT NULL AND (s.builds = "
                  "$1::integer"
                  " OR s.sync_id = $1::integer AND ($3::boolean OR EXISTS (SELECT FROM "
                  "polyglot.sync_state b"
                  " WHERE b.builds = $1::integer)))%s",
                  kDroppedAgain),
         {id, sync->index, all ? "true" : "false", psprintf("%u", sync->owner)});
}

// Before anything else of the sync: the worker leaves the rest alone where it cannot have this row
// (LockState), and begins no generation that DropGenerations would not see.
void TakeState(const char* id) {
  Change(
      "SELECT 1 FROM polyglot.sync_state WHERE sync_id = $1::integer OR builds = $1::integer"
      " FOR UPDATE",
      {id});
}

void DeleteState(const char* id) {
  for (const char* table :
       {"parked_key", "dead_letter", "verification", "difference", "rebuild_request", "publisher"})
    Change(psprintf("DELETE FROM polyglot.%s WHERE sync_id = $1::integer OR sync_id IN"
                    " (SELECT s.sync_id FROM polyglot.sync_state s WHERE s.builds = $1::integer)",
                    table),
           {id});
  Change("DELETE FROM polyglot.sync_state WHERE sync_id = $1::integer OR builds = $1::integer",
         {id});
}

}  // namespace

void CheckDocumentDefinition(Oid source, const char* sync, const DocumentDefinition& definition) {
  CheckColumns(source, definition.columns, definition.document == nullptr);
  CheckRouting(source, definition.routing);
  if (definition.filter) CheckExpression(source, sync, "filter", definition.filter, BOOLOID);
  if (definition.document) CheckExpression(source, sync, "document", definition.document, JSONBOID);
}

void CheckSyncName(const char* name) {
  if (*name == '\0' || strlen(name) > 200)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("a sync's name must be 1 to 200 bytes long")));
  if (LoadSync(name))
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("sync \"%s\" already exists", name),
                    errhint("Give this one another name by \"name\".")));
}

void RequestRebuild(const SyncRow* sync, const char* reason, LiveIndex live) {
  char* id = psprintf("%d", sync->id);
  if (sync->manage_index)
    InsertRequests("d.id = $1::integer", id, reason, live);
  else  // Before there is an index there is nothing to compare.
    Change(
        "UPDATE polyglot.sync_state SET resync_reason = $2, resync_version = 0, phase = 'resync',"
        " backfill_key = NULL, backfill_rows = 0 WHERE sync_id = $1::integer AND generation > 0",
        {id, reason});
  AnnounceConfigChange();
}

// The worker hears of it by the events of the same transaction, which may be prepared.
void RequestRebuilds(Oid source, const char* reason, LiveIndex live) {
  InsertRequests("d.source = $1::oid", psprintf("%u", source), reason, live);
}

void MarkSyncFailed(int32 sync, const char* reason, const char* hint) {
  Change(
      "UPDATE polyglot.sync_state SET failed_reason = $2, failed_hint = $3, failed_detail = NULL"
      " WHERE sync_id = $1::integer",
      {psprintf("%d", sync), reason, hint});
  AnnounceConfigChange();
}

void EndSync(const SyncRow* sync, bool drop_index) {
  char* id = psprintf("%d", sync->id);
  TakeState(id);
  if (sync->has_state && sync->manage_index) DropGenerations(sync, drop_index);
  DeleteState(id);
  Change("DELETE FROM polyglot.sync_definition WHERE id = $1::integer", {id});
  if (IsPublishedSource(sync->source))
    DropPublishedSource(sync->source);
  else
    InvalidateTree(sync->source);
  AnnounceConfigChange();
}

}  // namespace polyglot::pg
