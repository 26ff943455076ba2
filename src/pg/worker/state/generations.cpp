#include "pg/worker/state/generations.h"

#include <utility>

#include "pg/catalog/sync_state.h"
#include "pg/worker/state/fill.h"
#include "pg/worker/state/stored_state.h"

namespace polyglot::pg {

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

void RebuildFailed(WorkerContext* context, const SyncRuntime& building, const char* reason) {
  std::string text = std::string("the rebuild has failed and is tried again: ") + reason;
  if (SyncRuntime* live = context->Find(building.rebuild.builds)) {
    if (live->live.trouble == text) return;  // said before
    live->live.trouble = std::move(text);
  }
  ereport(LOG, (errmsg("polyglot_sync: rebuild of sync \"%s\" has failed: %s",
                       building.name.c_str(), reason)));
}

std::string PhysicalName(const SyncRuntime& sync, int generation) {
  char number[16];
  snprintf(number, sizeof number, "-%06d", generation);
  return sync.alias + number;
}

void StoreDocumentCounts(WorkerContext* context) {
  for (auto& [id, sync] : context->syncs) {
    if (!sync->IsBuilding() || !LockState(sync.get())) continue;
    StoreDocumentCounts(id, sync->rebuild.fewest, sync->rebuild.most);
  }
}

}  // namespace polyglot::pg
