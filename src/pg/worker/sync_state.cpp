#include "pg/worker/sync_state.h"

#include "pg/clock.h"
#include "pg/worker/statement.h"

namespace polyglot::pg {

bool LockState(SyncRuntime* sync) {
  constexpr core::Time kRetry{500'000};
  Parameters p;
  p.Int4(sync->id);
  p.Run("SELECT 1 FROM polyglot.sync_state WHERE sync_id = $1 FOR NO KEY UPDATE SKIP LOCKED",
        SPI_OK_SELECT);
  const bool got = SPI_processed == 1;
  sync->store_at = got ? core::Time{0} : MonotonicNow() + kRetry;
  return got;
}

void StoreFailed(std::int32_t sync, const char* reason, const char* hint, const char* detail) {
  Parameters p;
  p.Int4(sync);
  p.TextOrNull(reason);
  p.TextOrNull(hint);
  p.TextOrNull(detail);
  p.Run(
      "UPDATE polyglot.sync_state SET failed_reason = $2, failed_hint = $3, failed_detail = $4"
      " WHERE sync_id = $1",
      SPI_OK_UPDATE);
}

void StoreLastError(std::int32_t sync, const char* text, std::int64_t at) {
  Parameters p;
  p.Int4(sync);
  p.Text(text);
  p.Time(at);
  p.Run("UPDATE polyglot.sync_state SET last_error = $2, last_error_at = $3 WHERE sync_id = $1",
        SPI_OK_UPDATE);
}

void StoreIndex(std::int32_t sync, const IndexState& index) {
  Parameters p;
  p.Int4(sync);
  p.Int4(index.generation);
  const std::string* name = index.physical == nullptr ? &index.planned : index.physical.get();
  p.TextOrNull(name->empty() ? nullptr : name->c_str());
  p.TextOrNull(index.uuid.empty() ? nullptr : index.uuid.c_str());
  p.Bool(index.alias_pending);
  p.Run(
      "UPDATE polyglot.sync_state SET generation = $2, physical_index = $3, index_uuid = $4,"
      " alias_pending = $5 WHERE sync_id = $1",
      SPI_OK_UPDATE);
}

void StorePhase(std::int32_t sync, const char* phase) {
  Parameters p;
  p.Int4(sync);
  p.Text(phase);
  p.Run(
      "UPDATE polyglot.sync_state SET phase = $2, resync_version = CASE WHEN $2 = 'resync' THEN"
      " resync_version ELSE 0 END, resync_reason = CASE WHEN $2 = 'resync' THEN resync_reason END"
      " WHERE sync_id = $1",
      SPI_OK_UPDATE);
}

void StoreResync(std::int32_t sync, std::uint64_t version, const char* reason) {
  Parameters p;
  p.Int4(sync);
  p.Int8(static_cast<std::int64_t>(version));
  p.TextOrNull(reason);
  p.Run(
      "UPDATE polyglot.sync_state SET phase = 'resync', resync_version = $2, resync_reason = $3,"
      " baseline_version = $2,"
      " backfill_key = NULL, backfill_rows = 0 WHERE sync_id = $1",
      SPI_OK_UPDATE);
}

void StoreRepair(std::int32_t sync, const char* reason) {
  Parameters p;
  p.Int4(sync);
  p.TextOrNull(reason);
  p.Run(
      "UPDATE polyglot.sync_state SET repair_reason = $2, repair_since = clock_timestamp()"
      " WHERE sync_id = $1",
      SPI_OK_UPDATE);
}

void StoreBackfill(const SyncRuntime& sync) {
  const BackfillState& backfill = sync.backfill;
  Parameters p;
  p.Int4(sync.id);
  p.Bytea(backfill.acknowledged);
  p.Int8(static_cast<std::int64_t>(backfill.rows));
  p.Int8(static_cast<std::int64_t>(backfill.total));
  p.Int8(sync.rebuild.fewest);
  p.Int8(sync.rebuild.most);
  p.Run(
      "UPDATE polyglot.sync_state SET backfill_key = NULLIF($2, ''), backfill_rows = $3,"
      " backfill_total = $4, fewest_documents = $5, most_documents = $6 WHERE sync_id = $1",
      SPI_OK_UPDATE);
}

}  // namespace polyglot::pg
