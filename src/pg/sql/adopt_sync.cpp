// polyglot.adopt_sync: this database takes over an index that another one wrote: the original of a
// dump, a template or a copy of the files, or itself before pg_upgrade.

#include "pg/capture/source_watch.h"
#include "pg/capture/trigger_install.h"
#include "pg/catalog/change_announcement.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/queue_tables.h"
#include "pg/catalog/statement.h"
#include "pg/definition/definition_checks.h"
#include "pg/definition/published_source.h"
#include "pg/server/server_names.h"
#include "pg/server/server_options.h"
#include "pg/source/source_tree.h"
#include "pg/source/tree_lock.h"
#include "pg/sql/arguments.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_adopt_sync);
PGDLLEXPORT Datum polyglot_adopt_sync(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

char* IdOf(const SyncRow* sync) { return psprintf("%d", sync->id); }

char* SystemText() { return psprintf("%lld", static_cast<long long>(GetSystemIdentifier())); }

void CheckSound(SyncRow* sync) {
  char* hint = nullptr;
  if (const char* problem = SyncProblem(sync, &hint))
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("cannot adopt sync \"%s\": %s", sync->name, problem), errhint("%s", hint)));
}

Oid ServerOf(const SyncRow* sync) {
  const Oid server = FindServerOrError(sync->server_name);
  const AclResult allowed = ServerAclCheck(server, GetUserId(), ACL_USAGE);
  if (allowed != ACLCHECK_OK) aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, sync->server_name);
  CheckConfined(LoadServerOptions(server), sync->server_name, sync->index);
  return server;
}

// The files or the database were copied, or pg_upgrade was run: what is known of the index stays.
void AdoptState(const SyncRow* sync) {
  ResolveServers();
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute(
      "UPDATE polyglot.sync_state SET adopt = true, system_identifier = $2::bigint,"
      " database = $3::oid, failed_reason = NULL, failed_hint = NULL WHERE sync_id = $1::integer",
      {IdOf(sync), SystemText(), psprintf("%u", MyDatabaseId)});
  // What the other one was filling is his.
  Execute(
      "DELETE FROM polyglot.sync_state WHERE builds = $1::integer AND (database <> $2::oid"
      " OR system_identifier <> $3::bigint)",
      {IdOf(sync), psprintf("%u", MyDatabaseId), SystemText()});
  SPI_finish();
  CommandCounterIncrement();
}

// Of a dump the definition is all there is: a new index is filled, then the alias moves to it. One
// that is not managed is compared in place.
void MakeState(const SyncRow* sync, Oid server) {
  const int32 queue = EnsureQueue(server);
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute(
      "INSERT INTO polyglot.sync_state (sync_id, server, queue, system_identifier, database,"
      " phase, adopt, repair_reason) VALUES ($1::integer, $2::oid, $3::integer, $4::bigint,"
      " $5::oid, $6, true, $7)",
      {IdOf(sync), psprintf("%u", server), psprintf("%d", queue), SystemText(),
       psprintf("%u", MyDatabaseId), sync->manage_index ? "backfill" : "stream",
       sync->manage_index ? nullptr : "the database was restored from a dump"});
  SPI_finish();
  CommandCounterIncrement();
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_adopt_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWrite("polyglot.adopt_sync()");
  SyncRow* sync = OwnedSyncArgument(fcinfo);
  CheckEncoding();
  CheckSound(sync);
  const Oid server = ServerOf(sync);
  (void)LockTree(sync->source);  // no transaction may be under way that records nothing
  if (sync->has_state)
    AdoptState(sync);
  else
    MakeState(sync, server);
  if (!sync->has_state && IsPublishedSource(sync->source))
    StorePublishers(sync->id, sync->options, false);
  if (strcmp(sync->capture, "none") != 0) (void)InstallCaptureTriggers(sync->source);
  InvalidateTree(sync->source);
  AnnounceConfigChange();
  PG_RETURN_VOID();
}
