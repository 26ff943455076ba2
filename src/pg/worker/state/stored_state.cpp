#include "pg/worker/state/stored_state.h"

#include <algorithm>

#include "pg/catalog/dead_letters.h"
#include "pg/catalog/parked_keys.h"
#include "pg/catalog/sync_state.h"
#include "pg/clock.h"
#include "pg/shared/version_positions.h"

namespace polyglot::pg {

bool LockState(SyncRuntime* sync) {
  constexpr core::Time kRetry{500'000};
  const bool got = LockStateRow(sync->id);
  sync->store_at = got ? core::Time{0} : MonotonicNow() + kRetry;
  return got;
}

void StoreIndex(SyncRuntime* sync) {
  const IndexState& index = sync->index;
  StoreIndex(sync->id, {.generation = index.generation,
                        .name = index.physical == nullptr ? index.planned : *index.physical,
                        .uuid = index.uuid,
                        .alias_pending = index.alias_pending});
}

void StoreBackfill(SyncRuntime* sync) {
  const BackfillState& backfill = sync->backfill;
  StoreBackfill(sync->id, {.acknowledged = backfill.acknowledged,
                           .rows = backfill.rows,
                           .total = backfill.total,
                           .fewest = sync->rebuild.fewest,
                           .most = sync->rebuild.most});
}

void ParkKeys(SyncRuntime* sync, const std::vector<core::PendingKey>& keys, std::uint64_t stamp) {
  if (keys.empty()) return;
  const ParkedCount added = InsertParked(sync->id, keys, stamp, sync->versions.highest);
  ParkedCount& count = sync->parked.count;
  count.oldest = count.rows == 0 ? added.oldest : std::min(count.oldest, added.oldest);
  count.rows += added.rows;
  count.bytes += added.bytes;
}

void UnparkKeys(SyncRuntime* sync, const std::vector<const core::Operation*>& operations) {
  if (operations.empty()) return;
  const std::uint64_t gone = DeleteDelivered(sync->id, operations);
  ParkedCount& count = sync->parked.count;
  const std::uint64_t left = count.rows - std::min(count.rows, gone);
  count.bytes = count.rows == 0 ? 0 : count.bytes / count.rows * left;
  count.rows = left;
}

void DeleteParked(SyncRuntime* sync) {
  DeleteAllParked(sync->id);
  sync->parked.count = ParkedCount{};
}

void DeleteSomeParked(SyncRuntime* sync, std::uint64_t limit) {
  ParkedState& parked = sync->parked;
  const DeletedParked deleted =
      DeleteSomeOfParked(sync->id, parked.cursor ? parked.cursor->id : std::string(), limit);
  if (deleted.rows < limit) {
    parked.count = ParkedCount{};
    return parked.cursor.reset();
  }
  parked.cursor.emplace().id = deleted.last_id;
  parked.count.rows -= std::min(parked.count.rows, deleted.rows);
}

bool ParkFormerRoutings(SyncRuntime* sync, const std::vector<const core::Operation*>& operations) {
  const std::vector<core::PendingKey> keys = FormerRoutings(sync->id, operations);
  if (keys.empty()) return true;
  if (!LockState(sync)) return false;
  ParkKeys(sync, keys, DrawPositions(1));
  return true;
}

}  // namespace polyglot::pg
