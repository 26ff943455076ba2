#include "pg/worker/rebuild/rebuild.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/backoff.h"
#include "pg/catalog/rebuild_requests.h"
#include "pg/catalog/sync_state.h"
#include "pg/clock.h"
#include "pg/fault_points.h"
#include "pg/worker/rebuild/hand_over.h"
#include "pg/worker/rebuild/refill.h"
#include "pg/worker/rebuild/switch_over.h"
#include "pg/worker/search/index_drops.h"
#include "pg/worker/setup/configuration.h"
#include "pg/worker/state/fill.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/state/generations.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/state/withdraw.h"

namespace polyglot::pg {
namespace {

constexpr core::BackoffPolicy kRetry{.base = core::Time{5'000'000}, .cap = core::Time{600'000'000}};
// Of what the server may take back.
constexpr core::BackoffPolicy kRetryForNow{.base = kRetry.base, .cap = core::Time{10'000'000}};
constexpr std::uint64_t kKeysAtOnce = 50'000;

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

// The index goes with it: nobody has ever searched it.
void DropBuilding(WorkerContext* context, SyncRuntime* building) {
  // It may have been about to take the live one's place.
  if (SyncRuntime* live = context->Find(building->rebuild.builds); live != nullptr && live->held)
    Hold(live, false);
  DropIndexOf(context, *building, true);
  DeleteGeneration(building->id);
  ForgetSync(context, building);
}

// 0: the sync was dropped a moment ago.
std::int32_t AddGeneration(SyncRuntime* live, const std::string& reason) {
  // The first index may be being made now, and has its number when the answer comes.
  const bool first = live->index.generation == 0 && live->index.physical == nullptr &&
                     live->index.step == IndexStep::kAsking;
  const int generation =
      std::max(live->live.last_generation, live->index.generation) + (first ? 2 : 1);
  live->live.last_generation = generation;
  return InsertBuilding(live->id, generation, PhysicalName(*live, generation), reason);
}

// nullptr: the sync was dropped a moment ago.
SyncRuntime* BeginBuilding(WorkerContext* context, SyncRuntime* live, const std::string& reason) {
  const std::int32_t id = AddGeneration(live, reason);
  if (id == 0) return nullptr;
  SyncRuntime* building = AddBuilding(context, id, live->channel);
  FaultPoint("begun");
  if (live->live.trouble.empty())
    ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" is rebuilt as \"%s\": %s", live->name.c_str(),
                         building->index.planned.c_str(), reason.c_str())));
  return building;
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
  StoreOutdated(live->id, state.outdated_since, state.frozen);
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
    StoreRestoreSettings(building->id, building->rebuild.restore_settings);
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
      ids += (ids.empty() ? "" : ",") + std::to_string(id);
  return "{" + ids + "}";
}

}  // namespace

void TakeRebuildRequests(WorkerContext* context) {
  if (!AnyRequest()) return;
  for (const RebuildRequest& request : TakeRequests(context->server, ThatMayBegin(context)))
    if (SyncRuntime* sync = context->Find(request.sync))
      WantRebuild(context, *sync, request.reason.c_str(), request.outdated, request.frozen);
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

}  // namespace polyglot::pg
