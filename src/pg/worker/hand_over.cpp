#include "pg/worker/hand_over.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "pg/catalog.h"
#include "pg/fault_points.h"
#include "pg/worker/configuration.h"
#include "pg/worker/index_drops.h"
#include "pg/worker/parking.h"
#include "pg/worker/positions.h"
#include "pg/worker/rebuild_steps.h"
#include "pg/worker/records.h"
#include "pg/worker/sync_failure.h"
#include "pg/worker/sync_state.h"

namespace polyglot::pg {
namespace {

using Step = RebuildState::Step;

void StoreHandOver(const SyncRuntime& live, const SyncRuntime& building) {
  const std::string to = std::to_string(live.id), from = std::to_string(building.id);
  for (const char* table : {"parked_key", "dead_letter"}) {
    const std::string name = std::string("polyglot.") + table;
    Execute(("DELETE FROM " + name + " WHERE sync_id = $1::pg_catalog.int4").c_str(), {to.c_str()});
    Execute(("UPDATE " + name +
             " SET sync_id = $1::pg_catalog.int4"
             " WHERE sync_id = $2::pg_catalog.int4")
                .c_str(),
            {to.c_str(), from.c_str()});
  }
  Execute(
      "UPDATE polyglot.sync_state l SET generation = b.generation,"
      " physical_index = b.physical_index, index_uuid = b.index_uuid, alias_pending = false,"
      " epoch = b.epoch, timeline = b.timeline, version_bound = b.version_bound,"
      " failed_reason = NULL, failed_hint = NULL, phase = b.phase,"
      " resync_version = b.resync_version, resync_reason = NULL, backfill_key = b.backfill_key,"
      " backfill_rows = b.backfill_rows, backfill_total = b.backfill_total,"
      " baseline_version = b.baseline_version, outdated_since = NULL, frozen = false,"
      " repair_reason = NULL"
      " FROM polyglot.sync_state b WHERE l.sync_id = $1::pg_catalog.int4"
      " AND b.sync_id = $2::pg_catalog.int4",
      {to.c_str(), from.c_str()});
  Execute("DELETE FROM polyglot.sync_state WHERE sync_id = $1::pg_catalog.int4", {from.c_str()});
}

// The building runtime takes the live one's place and name; what waits for it goes along as keys.
void Replace(WorkerContext* context, SyncRuntime* live, SyncRuntime* building) {
  std::vector<core::PendingKey> keys = TakeWaiting(context, building);
  const std::int32_t id = live->id;
  std::unique_ptr<SyncRuntime> owned = context->Remove(building->id);
  building->slot = std::exchange(live->slot, nullptr);
  building->last_state = live->last_state;
  building->live.last_generation = live->live.last_generation;
  building->live.wanted = live->live.wanted;
  building->lease = std::exchange(live->lease, LeaseState{});
  building->lease.renewing = false;  // an answer that is still to come finds nobody
  building->adopt = live->adopt;
  building->verification = std::move(live->verification);  // sees that the index is another one
  building->channel->delivery().Forget(building->id);
  context->settlement.Forget(building->id);
  ForgetSync(context, live);
  building->id = id;
  building->incarnation = NewIncarnation();
  building->rebuild = RebuildState{};
  building->index.planned.clear();
  building->index.checking = building->index.alias_elsewhere = false;
  building->index.check_before_write = true;
  // The answer to its question will find nobody.
  if (building->index.step == IndexStep::kAsking) building->index.step = IndexStep::kUnknown;
  building->versions.writing = false;
  context->Insert(std::move(owned));
  for (core::PendingKey& key : keys) {
    key.tickets = {.scan = key.tickets.scan};
    building->keys.Add(id, std::move(key), &context->settlement);
  }
  Hold(building, false);
}

// Nobody's open transaction (discard, drop_sync) has one of the rows that change place.
bool MayHandOver(SyncRuntime* live, SyncRuntime* building) {
  if (!LockBoth(live, building)) return false;
  if (LettersAreFree(live->id) && LettersAreFree(building->id)) return true;
  Postpone(live);
  live->store_at = live->read_at;
  return false;
}

}  // namespace

bool LockBoth(SyncRuntime* live, SyncRuntime* building) {
  return LockState(live) && (building == nullptr || LockState(building));
}

void HandOver(WorkerContext* context, SyncRuntime* live, SyncRuntime* building) {
  const std::string old = live->index.physical == nullptr ? "" : *live->index.physical;
  bool locked = false;
  InTransaction([&] {
    if (!(locked = MayHandOver(live, building))) return;
    // Two that looked for a free name at once may have come to the same one.
    if (!old.empty() && old != *building->index.physical) DropIndexOf(context, *live, false);
    StoreHandOver(*live, *building);
    FaultPoint("hand-over");
    Replace(context, live, building);
    WriteControl(context);
  });
  if (!locked) {  // both go on until then
    building->rebuild.step = Step::kSwitched;
    building->rebuild.waits = true;
    building->rebuild.retry_at = std::max(live->store_at, building->store_at);
    Hold(live, false);
    Hold(building, false);
    return;
  }
  FaultPoint("handed over");
  ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" now uses index \"%s\": %llu rows",
                       building->name.c_str(), building->index.physical->c_str(),
                       static_cast<unsigned long long>(building->backfill.rows))));
}

}  // namespace polyglot::pg
