#include "pg/sql/sync_definition.h"

#include "pg/capture/capture_triggers.h"
#include "pg/sql/expression_check.h"
#include "pg/sql/published.h"
#include "pg/sql/sync_checks.h"

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

}  // namespace

void CheckDocumentDefinition(Oid source, const DocumentDefinition& definition) {
  CheckColumns(source, definition.columns, definition.document == nullptr);
  CheckRouting(source, definition.routing);
  if (definition.filter) CheckExpression(source, "filter", definition.filter, BOOLOID);
  if (definition.document) CheckExpression(source, "document", definition.document, JSONBOID);
}

void CheckSyncName(const char* name) {
  if (*name == '\0' || strlen(name) > 200)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("a sync's name must be 1 to 200 bytes long")));
  if (LoadSync(name))
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("sync \"%s\" already exists", name),
                    errhint("Give this one another name by \"name\".")));
}

void CheckIndexFree(const char* server, const char* index) {
  if (Change("SELECT 1 FROM polyglot.sync_definition WHERE server = $1::name AND index = $2",
             {server, index}) == 0)
    return;
  ereport(ERROR,
          (errcode(ERRCODE_DUPLICATE_OBJECT),
           errmsg("index \"%s\" is already used by another sync on server \"%s\"", index, server),
           errhint("Every sync has an index of its own; choose another one by \"index\".")));
}

void RequestResync(const SyncRow* sync, const char* reason) {
  // Before there is an index there is nothing to compare.
  Change(
      "UPDATE polyglot.sync_state SET resync_reason = $2, resync_version = 0, phase = 'resync',"
      " backfill_key = NULL, backfill_rows = 0, failed_reason = NULL, failed_hint = NULL"
      " WHERE sync_id = $1::integer AND generation > 0",
      {psprintf("%d", sync->id), reason});
  AnnounceConfigChange();
}

void MarkSyncFailed(int32 sync, const char* reason, const char* hint) {
  Change(
      "UPDATE polyglot.sync_state SET failed_reason = $2, failed_hint = $3"
      " WHERE sync_id = $1::integer",
      {psprintf("%d", sync), reason, hint});
  AnnounceConfigChange();
}

void EndSync(const SyncRow* sync, bool drop_index) {
  char* id = psprintf("%d", sync->id);
  if (drop_index && sync->has_state && sync->manage_index && sync->physical_index)
    Change(
        "INSERT INTO polyglot.dropped_index (server, physical_index, alias)"
        " VALUES ($1::oid, $2, $3) ON CONFLICT DO NOTHING",
        {psprintf("%u", sync->server), sync->physical_index, sync->index});
  Change("DELETE FROM polyglot.parked_key WHERE sync_id = $1::integer", {id});
  Change("DELETE FROM polyglot.dead_letter WHERE sync_id = $1::integer", {id});
  Change("DELETE FROM polyglot.verification WHERE sync_id = $1::integer", {id});
  Change("DELETE FROM polyglot.difference WHERE sync_id = $1::integer", {id});
  Change("DELETE FROM polyglot.sync_state WHERE sync_id = $1::integer", {id});
  Change("DELETE FROM polyglot.sync_definition WHERE id = $1::integer", {id});
  if (IsPublishedSource(sync->source))
    DropPublishedSource(sync->source);
  else
    InvalidateTree(sync->source);
  AnnounceConfigChange();
}

}  // namespace polyglot::pg
