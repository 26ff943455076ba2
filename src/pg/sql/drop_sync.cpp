// polyglot.drop_sync, pause_sync, resume_sync, rebuild_sync.

#include "pg/capture/source_watch.h"
#include "pg/capture/trigger_install.h"
#include "pg/catalog/change_announcement.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/definition/published_source.h"
#include "pg/definition/sync_definition.h"
#include "pg/sql/arguments.h"
#include "pg/sql/live_status.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_drop_sync);
PG_FUNCTION_INFO_V1(polyglot_pause_sync);
PG_FUNCTION_INFO_V1(polyglot_resume_sync);
PG_FUNCTION_INFO_V1(polyglot_rebuild_sync);
PGDLLEXPORT Datum polyglot_drop_sync(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_pause_sync(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_resume_sync(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_rebuild_sync(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

// A failed sync is tried again: that is what its hint asks for.
void ClearFailure(const SyncRow* sync) {
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute(
      "UPDATE polyglot.sync_state SET failed_reason = NULL, failed_hint = NULL"
      " WHERE sync_id = $1::integer AND failed_reason IS NOT NULL",
      {psprintf("%d", sync->id)});
  SPI_finish();
  CommandCounterIncrement();
}

void SetPaused(const SyncRow* sync, bool paused) {
  if (!paused) ClearFailure(sync);
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute("UPDATE polyglot.sync_definition SET paused = $2::boolean WHERE id = $1::integer",
          {psprintf("%d", sync->id), paused ? "true" : "false"});
  SPI_finish();
  CommandCounterIncrement();
  AnnounceConfigChange();
}

bool IsCopyOfAnother(const SyncRow* sync) {
  return static_cast<uint64>(sync->system_identifier) != GetSystemIdentifier() ||
         sync->database != MyDatabaseId;
}

// What a sync that was restored or copied names is its original's; one that failed before it had an
// index was refused it.
bool IsIndexOfOther(const SyncRow* sync) {
  if (!sync->has_state) return true;
  if (sync->adopt) return false;
  return IsCopyOfAnother(sync) || (sync->failed_reason && !sync->physical_index);
}

void ReportKept(const SyncRow* sync) {
  const bool here = sync->has_state &&
                    static_cast<uint64>(sync->system_identifier) == GetSystemIdentifier() &&
                    sync->database != MyDatabaseId;
  const char* database = here ? get_database_name(sync->database) : nullptr;
  if (!sync->has_state || IsCopyOfAnother(sync))
    ereport(
        NOTICE,
        (database ? errmsg("index \"%s\" belongs to database \"%s\": kept", sync->index, database)
                  : errmsg("index \"%s\" belongs to another database: kept", sync->index)));
  else
    ereport(NOTICE,
            (errmsg("index \"%s\" was not made by sync \"%s\": kept", sync->index, sync->name)));
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_drop_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWrite("polyglot.drop_sync()");
  SyncRow* sync = OwnedSyncArgument(fcinfo);
  bool drop_index = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
  if (drop_index && !sync->manage_index)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("index \"%s\" is not managed by polyglot_sync", sync->index),
                    errhint("Drop the sync without drop_index, and the index where it was made.")));
  const bool published = IsPublishedSource(sync->source);  // its source goes with it
  const bool kept = drop_index && IsIndexOfOther(sync);
  EndSync(sync, drop_index && !kept);
  if (kept) ReportKept(sync);
  // While somebody uses the table they stay; without a sync they record nothing.
  if (sync->source_exists && !published) (void)DropUnusedCaptureTriggers(sync->source);
  PG_RETURN_VOID();
}

Datum polyglot_pause_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWrite("polyglot.pause_sync()");
  SetPaused(OwnedSyncArgument(fcinfo), true);
  PG_RETURN_VOID();
}

Datum polyglot_resume_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWrite("polyglot.resume_sync()");
  SyncRow* sync = OwnedSyncArgument(fcinfo);
  CheckIsOurs(sync, "resume");
  char* hint = nullptr;
  if (const char* problem = SyncProblem(sync, &hint))
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("cannot resume sync \"%s\": %s", sync->name, problem), errhint("%s", hint)));
  SetPaused(sync, false);
  PG_RETURN_VOID();
}

Datum polyglot_rebuild_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWrite("polyglot.rebuild_sync()");
  SyncRow* sync = OwnedSyncArgument(fcinfo);
  CheckIsOurs(sync, "rebuild");
  if (!sync->manage_index)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("index \"%s\" is not managed by polyglot_sync", sync->index),
                    errhint("Only an index that the sync itself makes can be replaced by another "
                            "one.")));
  ClearFailure(sync);
  RequestRebuild(sync, "asked for", LiveIndex::kInStep);
  PG_RETURN_VOID();
}
