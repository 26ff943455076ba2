// polyglot.reset_counters: stored with the definition, so that it is part of the transaction and
// outlives a restart. Workers follow when it commits; status does at once.

#include "pg/catalog/change_announcement.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/shared/shared_state.h"
#include "pg/shared/sync_slots.h"
#include "pg/sql/arguments.h"
#include "pg/sql/visibility.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_reset_counters);
PGDLLEXPORT Datum polyglot_reset_counters(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

// Later than all that was counted, whatever the clock says.
TimestampTz MomentAfter(const SyncRow* sync) {
  TimestampTz moment = GetCurrentTimestamp();
  if (SyncSlot* slot = FindSyncSlot(MyDatabaseId, sync->id)) {
    LWLockAcquire(Shared()->lock, LW_SHARED);
    moment = Max(moment, slot->since + 1);
    LWLockRelease(Shared()->lock);
  }
  return moment;
}

void Reset(const SyncRow* sync) {
  const char* moment =
      DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(MomentAfter(sync))));
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute(
      "UPDATE polyglot.sync_definition SET counters_since = $2::pg_catalog.timestamptz"
      " WHERE id = $1::integer",
      {psprintf("%d", sync->id), moment});
  SPI_finish();
}

void ResetAll() {
  int count;
  SyncRow** syncs = LoadSyncs(InvalidOid, &count);
  for (int i = 0; i < count; ++i)
    if (OwnsSource(syncs[i])) Reset(syncs[i]);
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_reset_counters(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWrite("polyglot.reset_counters()");
  if (PG_ARGISNULL(0))
    ResetAll();
  else
    Reset(OwnedSyncArgument(fcinfo));
  CommandCounterIncrement();
  AnnounceConfigChange();
  PG_RETURN_VOID();
}
