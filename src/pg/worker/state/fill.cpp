#include "pg/worker/state/fill.h"

#include "core/version.h"
#include "pg/catalog/sync_state.h"
#include "pg/clock.h"
#include "pg/shared/version_positions.h"
#include "pg/worker/state/stored_state.h"

namespace polyglot::pg {
namespace {

using Step = ResyncState::Step;

}  // namespace

void RequestResync(SyncRuntime* sync, const char* reason) {
  const std::uint64_t version = core::MakeVersion(sync->epoch, DrawPositions(1));
  StoreResync(sync->id, version, reason);
  ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" is brought in step anew: %s", sync->name.c_str(),
                       reason)));
  sync->resync_wanted.clear();
  sync->rebuild.fewest = 0;  // what is there is not known any more
  sync->rebuild.most = kAnyNumber;
  ResetBackfill(sync);
  ContinueResync(sync, version);
}

void WantResync(SyncRuntime* sync, const std::string& reason) {
  ContinueResync(sync, 0);
  sync->resync.step = Step::kNone;
  sync->resync_wanted = reason;
  if (reason.starts_with("events dropped")) sync->dropped = reason;
}

void RequestResyncSoon(WorkerContext* context, SyncRuntime* sync, const char* reason) {
  if (LockState(sync)) return RequestResync(sync, reason);
  WantResync(sync, reason);
  if (sync->resync_scan != 0) return;
  sync->resync_scan = context->scan_number;
  context->settlement.Add(sync->id, {.scan = sync->resync_scan});
}

void StoreWantedResync(WorkerContext* context, SyncRuntime* sync) {
  RequestResync(sync, std::string(sync->resync_wanted).c_str());
  if (sync->resync_scan != 0) context->settlement.Release(sync->id, {.scan = sync->resync_scan});
  sync->resync_scan = 0;
}

bool ResyncDue(const SyncRuntime& sync) {
  return !sync.resync_wanted.empty() && sync.Sends() && sync.channel->connected() &&
         sync.index.step == IndexStep::kReady;
}

void ContinueResync(SyncRuntime* sync, std::uint64_t version) {
  const std::uint64_t generation = sync->resync.generation + 1, walk = sync->resync.walk;
  sync->resync = ResyncState{};
  sync->resync.generation = generation;
  sync->resync.walk = walk;
  sync->resync.version = version;
  sync->resync.step = Step::kDrain;
}

void StartBackfill(SyncRuntime* sync) {
  sync->backfill.running = true;
  sync->backfill.end_reached = false;
  sync->backfill.cursor = sync->backfill.acknowledged;
}

void ResetBackfill(SyncRuntime* sync) {
  // Page numbers go on: operations of the old pages may still be under way.
  const std::uint64_t last_page = sync->backfill.last_page;
  sync->backfill = BackfillState{};
  sync->backfill.last_page = last_page;
}

void RewindBackfill(SyncRuntime* sync) {
  BackfillState& b = sync->backfill;
  b.pages.clear();
  b.cursor = b.acknowledged;
  b.end_reached = false;
}

void ConfigureBackfill(SyncRuntime* sync, const char* options) {
  std::uint64_t per_second = 0;
  if (options != nullptr) {
    Jsonb* parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(options)));
    JsonbValue value;
    if (getKeyJsonValueFromContainer(&parsed->root, "backfill_rate", 13, &value) != nullptr &&
        value.type == jbvNumeric)
      per_second = static_cast<std::uint64_t>(
          DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value.val.numeric))));
  }
  sync->backfill_rate.Set(per_second, MonotonicNow());
}

}  // namespace polyglot::pg
