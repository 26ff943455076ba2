#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

SyncRuntime* WorkerContext::Insert(std::unique_ptr<SyncRuntime> owned) {
  SyncRuntime* sync = owned.get();
  sync->awake = false;
  syncs.emplace(sync->id, std::move(owned));
  if (sync->IsBuilding()) buildings_[sync->rebuild.builds] = sync;
  sources_known_ = false;
  Wake(sync);
  return sync;
}

std::unique_ptr<SyncRuntime> WorkerContext::Remove(std::int32_t id) {
  const auto it = syncs.find(id);
  std::unique_ptr<SyncRuntime> owned = std::move(it->second);
  syncs.erase(it);
  std::erase(awake, owned.get());
  const auto building = buildings_.find(owned->rebuild.builds);
  if (building != buildings_.end() && building->second == owned.get()) buildings_.erase(building);
  sources_known_ = false;
  return owned;
}

void WorkerContext::Wake(SyncRuntime* sync) {
  if (sync->awake) return;
  awake.push_back(sync);
  sync->awake = true;
}

// In the order of their ids.
void WorkerContext::WakeAll() {
  awake.clear();
  for (auto& [id, sync] : syncs) {
    awake.push_back(sync.get());
    sync->awake = true;
  }
}

SyncRuntime* WorkerContext::BuildingOf(std::int32_t live) const {
  const auto it = buildings_.find(live);
  return it == buildings_.end() ? nullptr : it->second;
}

const std::vector<SyncRuntime*>& WorkerContext::SyncsOf(Oid source) {
  static const std::vector<SyncRuntime*>* const none = new std::vector<SyncRuntime*>();
  if (!sources_known_) {
    by_source_.clear();
    for (auto& [id, sync] : syncs) by_source_[sync->source].push_back(sync.get());
    sources_known_ = true;
  }
  const auto it = by_source_.find(source);
  return it == by_source_.end() ? *none : it->second;
}

}  // namespace polyglot::pg
