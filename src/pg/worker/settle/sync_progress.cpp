#include "pg/worker/settle/sync_progress.h"

#include <utility>

#include "pg/catalog/sync_state.h"
#include "pg/fault_points.h"
#include "pg/worker/feed/backfill.h"
#include "pg/worker/rebuild/rebuild.h"
#include "pg/worker/search/index_keeper.h"
#include "pg/worker/state/fill.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/state/generations.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/state/withdraw.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kProgressInterval{2'000'000};

bool HasFinding(const SyncRuntime& sync, core::Time now) {
  if (now < sync.store_at) return false;
  return !sync.failure.empty() || sync.index.dirty || sync.index.lost || sync.resync.ended ||
         ResyncDue(sync);
}

// Nothing is written any more under the name of an index that was ours: there will be a new one.
// One that is somebody else's is filled again.
void StoreLoss(WorkerContext* context, SyncRuntime* sync) {
  constexpr const char* kReason = "its index is missing or was replaced";
  sync->index.lost = false;
  if (sync->managed) return WantRebuild(context, *sync, kReason, true, true);
  RequestResync(sync, kReason);
  // What waits names the lost index: it must not be sent when the new one is there.
  ReadOlderAgain(context, sync, sync->resync.version);
  ReadUnconfirmedAgain(context, sync);
}

void StoreFinding(WorkerContext* context, SyncRuntime* sync) {
  if (!sync->failure.empty()) {
    const std::string reason = std::exchange(sync->failure, {});
    sync->failed = false;
    FailSync(context, sync, reason.c_str(), sync->failure_hint.c_str());
  }
  if (sync->index.dirty) {
    StoreIndex(sync);
    sync->index.dirty = false;
  }
  if (ResyncDue(*sync)) StoreWantedResync(context, sync);
  if (sync->index.lost && !sync->IsBuilding()) StoreLoss(context, sync);
  if (sync->resync.ended) {
    StorePhase(sync->id, sync->backfill.running ? "backfill" : "stream");
    sync->resync.ended = false;
  }
}

// Searches must not see a half-filled index under a name that had a full one: the alias is switched
// first, then the backfill counts as ended.
void FinishBackfill(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  if (sync->index.alias_pending) {
    SwitchAlias(context, sync, now);
    return;
  }
  FaultPoint("backfill ended");
  bool stored = false;
  InTransaction([&] {
    if (!(stored = LockState(sync))) return;
    sync->backfill.running = sync->backfill.dirty = false;
    StoreBackfill(sync);
    if (sync->resync.step == ResyncState::Step::kNone) StorePhase(sync->id, "stream");
  });
  if (!stored) return;
  ereport(LOG, (errmsg("polyglot_sync: backfill of sync \"%s\" has ended: %llu rows",
                       sync->name.c_str(), static_cast<unsigned long long>(sync->backfill.rows))));
}

// One that is not filled first: what its alias has shown so far is not its concern.
bool LacksAliasOnly(const SyncRuntime& sync) {
  return sync.index.alias_pending && !sync.IsBuilding() && !sync.backfill.running && sync.Sends() &&
         sync.resync_wanted.empty() && sync.resync.step == ResyncState::Step::kNone;
}

void StoreProgress(WorkerContext* context, core::Time now) {
  for (SyncRuntime* sync : context->Awake()) {
    BackfillState& backfill = sync->backfill;
    if (!backfill.running || !backfill.dirty || now - backfill.stored_at < kProgressInterval)
      continue;
    backfill.stored_at = now;
    InTransaction([&] {
      if (!LockState(sync)) return;
      backfill.dirty = false;
      StoreBackfill(sync);
    });
    FaultPoint("progress stored");
  }
}

}  // namespace

void StoreFindings(WorkerContext* context, core::Time now) {
  bool any = false;
  for (const SyncRuntime* sync : context->awake) any |= HasFinding(*sync, now);
  if (any)
    InTransaction([&] {
      for (SyncRuntime* sync : context->Awake())
        if (HasFinding(*sync, now) && LockState(sync)) StoreFinding(context, sync);
      StartWantedRebuilds(context);
    });
  for (SyncRuntime* sync : context->Awake())
    if (LacksAliasOnly(*sync))
      SwitchAlias(context, sync, now);
    else if (AcknowledgePages(context, sync, now) && now >= sync->store_at)
      FinishBackfill(context, sync, now);
  StoreProgress(context, now);
}

}  // namespace polyglot::pg
