#include "pg/worker/rebuild/hand_over.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "pg/catalog/dead_letters.h"
#include "pg/catalog/sync_state.h"
#include "pg/fault_points.h"
#include "pg/worker/search/index_drops.h"
#include "pg/worker/setup/configuration.h"
#include "pg/worker/state/acknowledged.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/state/withdraw.h"

namespace polyglot::pg {
namespace {

using Step = RebuildState::Step;

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
    StoreHandOver(live->id, building->id);
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
