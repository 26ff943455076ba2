#include "pg/worker/rebuild.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/backoff.h"
#include "pg/catalog.h"
#include "pg/clock.h"
#include "pg/fault_points.h"
#include "pg/worker/backfill.h"
#include "pg/worker/configuration.h"
#include "pg/worker/hand_over.h"
#include "pg/worker/index_drops.h"
#include "pg/worker/index_steps.h"
#include "pg/worker/parking.h"
#include "pg/worker/rebuild_steps.h"
#include "pg/worker/records.h"
#include "pg/worker/refill.h"
#include "pg/worker/resync.h"
#include "pg/worker/sync_state.h"

namespace polyglot::pg {
namespace {

constexpr core::BackoffPolicy kRetry{.base = core::Time{5'000'000}, .cap = core::Time{600'000'000}};
// Of what the server may take back.
constexpr core::BackoffPolicy kRetryForNow{.base = kRetry.base, .cap = core::Time{10'000'000}};
constexpr std::uint64_t kKeysAtOnce = 50'000;

std::string Number(std::int64_t number) { return std::to_string(number); }

std::string Time(std::int64_t timestamp) {
  return DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(timestamp)));
}

// ---- beginning --------------------------------------------------------------------------------

// Nothing is under way that could make one as things were before.
bool HasNoIndexYet(const SyncRuntime& sync) {
  return sync.index.physical == nullptr && sync.index.step != IndexStep::kAsking;
}

// The definitions are read again before the index is asked for, which is made as things are then.
bool WillBeMadeAnew(SyncRuntime* sync) {
  const bool goes_on = !sync->failed && sync->failure.empty();
  const bool is_new =
      sync->IsBuilding() ? sync->rebuild.fresh && goes_on : sync->index.generation == 0;
  if (!is_new || !HasNoIndexYet(*sync)) return false;
  return sync->index.redefined = true;
}

void DeleteRows(std::int32_t id) {
  const std::string number = Number(id);
  for (const char* statement :
       {"DELETE FROM polyglot.parked_key WHERE sync_id = $1::pg_catalog.int4",
        "DELETE FROM polyglot.dead_letter WHERE sync_id = $1::pg_catalog.int4",
        "DELETE FROM polyglot.sync_state WHERE sync_id = $1::pg_catalog.int4"})
    Execute(statement, {number.c_str()});
}

// The index goes with it: nobody has ever searched it.
void DropBuilding(WorkerContext* context, SyncRuntime* building) {
  // It may have been about to take the live one's place.
  if (SyncRuntime* live = context->Find(building->rebuild.builds); live != nullptr && live->held)
    Hold(live, false);
  DropIndexOf(context, *building, true);
  DeleteRows(building->id);
  ForgetSync(context, building);
}

// 0: the sync was dropped a moment ago.
std::int32_t InsertBuilding(SyncRuntime* live, const std::string& reason) {
  // The first index may be being made now, and has its number when the answer comes.
  const bool first = live->index.generation == 0 && live->index.physical == nullptr &&
                     live->index.step == IndexStep::kAsking;
  const int generation =
      std::max(live->live.last_generation, live->index.generation) + (first ? 2 : 1);
  live->live.last_generation = generation;
  const std::string id = Number(live->id), number = Number(generation);
  Execute(
      "UPDATE polyglot.sync_state SET last_generation = $2::pg_catalog.int4"
      " WHERE sync_id = $1::pg_catalog.int4",
      {id.c_str(), number.c_str()});
  const std::uint64_t rows = Execute(
      "INSERT INTO polyglot.sync_state (sync_id, server, queue, system_identifier, database,"
      " generation, physical_index, builds, rebuild_reason)"
      " SELECT pg_catalog.nextval('polyglot.sync_id'), server, queue, system_identifier, database,"
      " $2::pg_catalog.int4, $3, sync_id, $4 FROM polyglot.sync_state"
      " WHERE sync_id = $1::pg_catalog.int4 RETURNING sync_id",
      {id.c_str(), number.c_str(), PhysicalName(*live, generation).c_str(), reason.c_str()});
  if (rows == 0) return 0;
  bool isnull;
  return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

// nullptr: the sync was dropped a moment ago.
SyncRuntime* BeginBuilding(WorkerContext* context, SyncRuntime* live, const std::string& reason) {
  const std::int32_t id = InsertBuilding(live, reason);
  if (id == 0) return nullptr;
  SyncRuntime* building = AddBuilding(context, id, live->channel);
  FaultPoint("begun");
  if (live->live.trouble.empty())
    ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" is rebuilt as \"%s\": %s", live->name.c_str(),
                         building->index.planned.c_str(), reason.c_str())));
  return building;
}

void StoreOutdated(const SyncRuntime& live) {
  const std::string id = Number(live.id), since = Time(live.live.outdated_since);
  Execute(
      "UPDATE polyglot.sync_state SET outdated_since = $2::pg_catalog.timestamptz,"
      " frozen = $3::pg_catalog.bool WHERE sync_id = $1::pg_catalog.int4",
      {id.c_str(), since.c_str(), live.live.frozen ? "true" : "false"});
}

void MarkOutdated(WorkerContext* context, SyncRuntime* live, bool frozen) {
  LiveState& state = live->live;
  if (state.outdated_since == 0) state.outdated_since = GetCurrentTimestamp();
  if (live->lagging_since == 0) live->lagging_since = state.outdated_since;
  if (frozen && !state.frozen) {
    ForgetWaiting(context, live);  // read again, what waits would tell of the table as it is now
    if (live->backfill.running) RewindBackfill(live);
    state.frozen = true;
  }
  StoreOutdated(*live);
}

// The first index of a sync without a backfill stays empty; who asks for a rebuild wants it filled.
void FillFirst(SyncRuntime* live) {
  if (live->backfill.running) return;
  StorePhase(live->id, "backfill");
  StartBackfill(live);
}

void Start(WorkerContext* context, SyncRuntime* live) {
  const WantedRebuild wanted = std::exchange(live->live.wanted, WantedRebuild{});
  const bool asked_for = !wanted.outdated && !wanted.frozen;
  if (WillBeMadeAnew(live)) return asked_for ? FillFirst(live) : void();
  if (wanted.outdated || wanted.frozen) MarkOutdated(context, live, wanted.frozen);
  SyncRuntime* building = BuildingOf(context, *live);
  if (building != nullptr && WillBeMadeAnew(building)) return;
  if (building != nullptr) DropBuilding(context, building);
  BeginBuilding(context, live, wanted.reason);
}

// Cheaper than a statement: this is asked with each scan, and there is nothing nearly always.
bool AnyRequest() {
  Relation rel = table_open(OurRelation("rebuild_request"), AccessShareLock);
  bool any = false;
  if (RelationGetNumberOfBlocks(rel) > 0) {
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    TableScanDesc scan = table_beginscan(rel, snapshot, 0, nullptr);
    any = heap_getnext(scan, ForwardScanDirection) != nullptr;
    table_endscan(scan);
    UnregisterSnapshot(snapshot);
  }
  table_close(rel, AccessShareLock);
  return any;
}

// ---- failures ---------------------------------------------------------------------------------

// Parked keys are drained instead: nothing is lost but the time.
void GiveUp(WorkerContext* context, SyncRuntime* live, SyncRuntime* building) {
  InTransaction([&] {
    if (!LockBoth(live, building)) return;
    DropBuilding(context, building);
    live->live.trouble.clear();
    live->parked.refill = false;
  });
}

void BeginAgain(WorkerContext* context, SyncRuntime* live, SyncRuntime* building, core::Time now) {
  const std::string reason = building->rebuild.reason;
  const bool for_now = building->index.refused_for_now;
  InTransaction([&] {
    if (!LockBoth(live, building)) return;
    const auto failures = static_cast<std::uint32_t>(live->live.failures++);
    DropBuilding(context, building);
    SyncRuntime* next = BeginBuilding(context, live, reason);
    if (next == nullptr) return;
    next->index.step = IndexStep::kUnavailable;
    next->index.retry_at = now + core::Ceiling(for_now ? kRetryForNow : kRetry, failures);
  });
}

using Step = RebuildState::Step;

void StoreSettings(SyncRuntime* building) {
  FaultPoint("remember");
  bool locked = false;
  InTransaction([&] {
    if (!(locked = LockState(building))) return;
    const std::string id = Number(building->id);
    Execute(
        "UPDATE polyglot.sync_state SET restore_settings = $2"
        " WHERE sync_id = $1::pg_catalog.int4",
        {id.c_str(), building->rebuild.restore_settings.c_str()});
  });
  if (locked) building->rebuild.step = Step::kRelax;
}

// ---- the hand-over ----------------------------------------------------------------------------

// Those of the generation that goes may be a million: others must not wait for one statement that
// deletes them. It lacks what they tell from then on, so it can only go.
void ForgetSomeParked(WorkerContext* context, SyncRuntime* live, SyncRuntime* building) {
  InTransaction([&] {
    if (!LockBoth(live, building)) return;
    if (live->live.outdated_since == 0) {
      MarkOutdated(context, live, false);
      live->parked.cursor.reset();
    }
    DeleteSomeParked(live, kKeysAtOnce);
  });
}

void StoreOne(WorkerContext* context, SyncRuntime* live, core::Time now) {
  SyncRuntime* building = BuildingOf(context, *live);
  if (building == nullptr || live->failed) return;
  const bool failed = building->failed || building->index.lost;
  if (failed && now < live->store_at) return;
  if (failed && OnlyRefills(*live, *building))
    GiveUp(context, live, building);
  else if (failed)
    BeginAgain(context, live, building, now);
  else if (building->rebuild.step == Step::kRemember && now >= building->store_at)
    StoreSettings(building);
  else if (building->rebuild.step != Step::kDone || now < live->store_at)
    return;
  else if (live->parked.count.rows > kKeysAtOnce)
    ForgetSomeParked(context, live, building);
  else
    HandOver(context, live, building);
}

// For fault points.
[[maybe_unused]] const char* NameOf(Step step) {
  static constexpr const char* names[] = {"prepare", "remember", "relax",   "fill",
                                          "restore", "drain",    "refresh", "count",
                                          "switch",  "switched", "done"};
  return names[static_cast<int>(step)];
}

// Those that have something to do: all that have, or want, a rebuild are among them.
std::vector<SyncRuntime*> LiveSyncs(WorkerContext* context) {
  std::vector<SyncRuntime*> live;
  for (SyncRuntime* sync : context->awake)
    if (!sync->IsBuilding()) live.push_back(sync);
  return live;
}

// The alias is being given to the new index: dropped now, it would be searched and not be filled.
bool ChangesHands(const SyncRuntime* building) {
  return building != nullptr && !building->failed && !building->index.lost &&
         building->rebuild.step >= Step::kSwitch && !building->rebuild.waits;
}

bool WantsRebuild(WorkerContext* context, const SyncRuntime& sync, core::Time now) {
  return !sync.live.wanted.reason.empty() && now >= sync.store_at &&
         !ChangesHands(BuildingOf(context, sync));
}

// As an array of PostgreSQL. The request of a sync that is not loaded yet waits for that.
std::string ThatMayBegin(WorkerContext* context) {
  std::string ids;
  for (const auto& [id, sync] : context->syncs)
    if (!sync->IsBuilding() && !ChangesHands(BuildingOf(context, *sync)))
      ids += (ids.empty() ? "" : ",") + Number(id);
  return "{" + ids + "}";
}

}  // namespace

SyncRuntime* BuildingOf(WorkerContext* context, const SyncRuntime& live) {
  return context->BuildingOf(live.id);
}

void WantRebuild(WorkerContext* context, const SyncRuntime& sync, const char* reason, bool outdated,
                 bool frozen) {
  SyncRuntime* live = context->Find(sync.PublicId());
  if (live == nullptr) return;
  context->Wake(live);
  live->live.wanted.reason = reason;
  live->live.wanted.outdated |= outdated;
  live->live.wanted.frozen |= frozen;
}

void BringInStep(WorkerContext* context, SyncRuntime* sync, const char* reason) {
  if (sync->managed)
    WantRebuild(context, *sync, reason, true, false);
  else
    RequestResyncSoon(context, sync, reason);
}

bool TruncationPending(const SyncRuntime& sync) {
  if (!sync.managed || !AnyRequest()) return false;
  const std::string id = Number(sync.PublicId());
  return Execute(
             "SELECT 1 FROM polyglot.rebuild_request WHERE sync_id = $1::pg_catalog.int4"
             " AND frozen",
             {id.c_str()}) > 0;
}

void RebuildFailed(WorkerContext* context, const SyncRuntime& building, const char* reason) {
  std::string text = std::string("the rebuild has failed and is tried again: ") + reason;
  if (SyncRuntime* live = context->Find(building.rebuild.builds)) {
    if (live->live.trouble == text) return;  // said before
    live->live.trouble = std::move(text);
  }
  ereport(LOG, (errmsg("polyglot_sync: rebuild of sync \"%s\" has failed: %s",
                       building.name.c_str(), reason)));
}

void TakeRebuildRequests(WorkerContext* context) {
  if (!AnyRequest()) return;
  const std::string server = Number(context->server);
  const uint64 rows = Execute(
      "DELETE FROM polyglot.rebuild_request r USING (SELECT q.sync_id, q.number"
      " FROM polyglot.rebuild_request q JOIN polyglot.sync_state s ON s.sync_id = q.sync_id"
      " WHERE s.server = $1::pg_catalog.oid AND q.sync_id = ANY ($2::pg_catalog.int4[])"
      " FOR UPDATE OF q SKIP LOCKED"
      " FOR NO KEY UPDATE OF s SKIP LOCKED) t"
      " WHERE r.sync_id = t.sync_id AND r.number = t.number"
      " RETURNING r.sync_id, r.reason, r.outdated, r.frozen",
      {server.c_str(), ThatMayBegin(context).c_str()});
  SPITupleTable* table = SPI_tuptable;
  for (uint64 i = 0; i < rows; i++) {
    bool isnull;
    HeapTuple tuple = table->vals[i];
    SyncRuntime* sync =
        context->Find(DatumGetInt32(SPI_getbinval(tuple, table->tupdesc, 1, &isnull)));
    if (sync == nullptr) continue;
    WantRebuild(context, *sync, SPI_getvalue(tuple, table->tupdesc, 2),
                DatumGetBool(SPI_getbinval(tuple, table->tupdesc, 3, &isnull)),
                DatumGetBool(SPI_getbinval(tuple, table->tupdesc, 4, &isnull)));
  }
  StartWantedRebuilds(context);
}

void StartWantedRebuilds(WorkerContext* context) {
  for (SyncRuntime* live : LiveSyncs(context))
    if (WantsRebuild(context, *live, MonotonicNow()) && LockBoth(live, BuildingOf(context, *live)))
      Start(context, live);
}

void AdvanceRebuilds(WorkerContext* context, core::Time now) {
  for (SyncRuntime* live : LiveSyncs(context)) {
    SyncRuntime* building = BuildingOf(context, *live);
    if (building == nullptr) continue;
    building->paused = live->paused || live->failed;
    Step before;
    do {
      before = building->rebuild.step;
      FaultPoint(NameOf(before));
      AdvanceRebuild(context, live, building, now);
    } while (building->rebuild.step != before);
  }
}

void StoreRebuilds(WorkerContext* context, core::Time now) {
  bool wanted = false;
  for (const SyncRuntime* sync : context->awake) wanted |= WantsRebuild(context, *sync, now);
  if (wanted) InTransaction([&] { StartWantedRebuilds(context); });
  for (SyncRuntime* live : LiveSyncs(context)) StoreOne(context, live, now);
}

void StoreDocumentCounts(WorkerContext* context) {
  for (auto& [id, sync] : context->syncs) {
    if (!sync->IsBuilding() || !LockState(sync.get())) continue;
    const std::string number = Number(id), fewest = Number(sync->rebuild.fewest),
                      most = Number(sync->rebuild.most);
    Execute(
        "UPDATE polyglot.sync_state SET fewest_documents = $2::pg_catalog.int8,"
        " most_documents = $3::pg_catalog.int8 WHERE sync_id = $1::pg_catalog.int4",
        {number.c_str(), fewest.c_str(), most.c_str()});
  }
}

}  // namespace polyglot::pg
