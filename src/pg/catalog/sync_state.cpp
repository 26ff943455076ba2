#include "pg/catalog/sync_state.h"

#include "pg/catalog/statement.h"

namespace polyglot::pg {

void StoreHandOver(std::int32_t live, std::int32_t building) {
  const std::string to = std::to_string(live), from = std::to_string(building);
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

bool LockStateRow(std::int32_t sync) {
  Parameters p;
  p.Int4(sync);
  p.Run("SELECT 1 FROM polyglot.sync_state WHERE sync_id = $1 FOR NO KEY UPDATE SKIP LOCKED",
        SPI_OK_SELECT);
  return SPI_processed == 1;
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

void StoreIndex(std::int32_t sync, const StoredIndex& index) {
  Parameters p;
  p.Int4(sync);
  p.Int4(index.generation);
  p.TextOrNull(index.name.empty() ? nullptr : index.name.c_str());
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

void StoreBackfill(std::int32_t sync, const StoredBackfill& backfill) {
  Parameters p;
  p.Int4(sync);
  p.Bytea(backfill.acknowledged);
  p.Int8(static_cast<std::int64_t>(backfill.rows));
  p.Int8(static_cast<std::int64_t>(backfill.total));
  p.Int8(backfill.fewest);
  p.Int8(backfill.most);
  p.Run(
      "UPDATE polyglot.sync_state SET backfill_key = NULLIF($2, ''), backfill_rows = $3,"
      " backfill_total = $4, fewest_documents = $5, most_documents = $6 WHERE sync_id = $1",
      SPI_OK_UPDATE);
}

std::uint64_t BaselineVersion(std::int32_t sync) {
  Parameters p;
  p.Int4(sync);
  p.Run("SELECT baseline_version FROM polyglot.sync_state WHERE sync_id = $1", SPI_OK_SELECT);
  if (SPI_processed == 0) return 0;
  bool isnull;
  return static_cast<std::uint64_t>(
      DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)));
}

void StoreDocumentCounts(std::int32_t sync, std::int64_t fewest, std::int64_t most) {
  const std::string number = std::to_string(sync), least = std::to_string(fewest),
                    greatest = std::to_string(most);
  Execute(
      "UPDATE polyglot.sync_state SET fewest_documents = $2::pg_catalog.int8,"
      " most_documents = $3::pg_catalog.int8 WHERE sync_id = $1::pg_catalog.int4",
      {number.c_str(), least.c_str(), greatest.c_str()});
}

void StoreVersions(std::int32_t sync, const StoredVersions& versions) {
  const std::string bound = std::to_string(versions.bound),
                    timeline = std::to_string(versions.timeline),
                    epoch = std::to_string(versions.epoch), id = std::to_string(sync);
  Execute(
      "UPDATE polyglot.sync_state SET epoch = $2::pg_catalog.int4, timeline = $3::pg_catalog.int8,"
      " version_bound = $4::pg_catalog.int8 WHERE sync_id = $1::pg_catalog.int4",
      {id.c_str(), epoch.c_str(), timeline.c_str(), bound.c_str()});
}

void StoreAdopted(std::int32_t sync) {
  const std::string id = std::to_string(sync);
  Execute("UPDATE polyglot.sync_state SET adopt = false WHERE sync_id = $1::pg_catalog.int4",
          {id.c_str()});
}

bool StoreDepartures(std::int32_t sync, const std::string& tables) {
  const std::string id = std::to_string(sync);
  const bool known = Execute(
                         "SELECT 1 FROM polyglot.sync_state WHERE sync_id = $1::pg_catalog.int4"
                         " AND $2::pg_catalog.oid[] <@ departed",
                         {id.c_str(), tables.c_str()}) > 0;
  Execute(
      "UPDATE polyglot.sync_state SET departed = $2::pg_catalog.oid[]"
      " WHERE sync_id = $1::pg_catalog.int4",
      {id.c_str(), tables.c_str()});
  return !known;
}

void StoreOutdated(std::int32_t sync, std::int64_t since, bool frozen) {
  const std::string id = std::to_string(sync);
  const char* time =
      DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(since)));
  Execute(
      "UPDATE polyglot.sync_state SET outdated_since = $2::pg_catalog.timestamptz,"
      " frozen = $3::pg_catalog.bool WHERE sync_id = $1::pg_catalog.int4",
      {id.c_str(), time, frozen ? "true" : "false"});
}

std::int32_t InsertBuilding(std::int32_t live, int generation, const std::string& index,
                            const std::string& reason) {
  const std::string id = std::to_string(live), number = std::to_string(generation);
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
      {id.c_str(), number.c_str(), index.c_str(), reason.c_str()});
  if (rows == 0) return 0;
  bool isnull;
  return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

void StoreRestoreSettings(std::int32_t sync, const std::string& settings) {
  const std::string id = std::to_string(sync);
  Execute(
      "UPDATE polyglot.sync_state SET restore_settings = $2"
      " WHERE sync_id = $1::pg_catalog.int4",
      {id.c_str(), settings.c_str()});
}

void DeleteGeneration(std::int32_t sync) {
  const std::string number = std::to_string(sync);
  for (const char* statement :
       {"DELETE FROM polyglot.parked_key WHERE sync_id = $1::pg_catalog.int4",
        "DELETE FROM polyglot.dead_letter WHERE sync_id = $1::pg_catalog.int4",
        "DELETE FROM polyglot.sync_state WHERE sync_id = $1::pg_catalog.int4"})
    Execute(statement, {number.c_str()});
}

bool AnyOtherSync(Oid server, const std::string& known) {
  const std::string number = std::to_string(server);
  return Execute(
             "SELECT 1 FROM polyglot.sync_state s JOIN polyglot.sync_definition d"
             " ON d.id = s.sync_id JOIN pg_catalog.pg_class c ON c.oid = d.source"
             " WHERE s.server = $1::pg_catalog.oid AND s.sync_id <> ALL ($2::pg_catalog.int4[])"
             " LIMIT 1",
             {number.c_str(), known.c_str()}) > 0;
}

SyncsOfDatabase LoadSyncsOfDatabase() {
  SyncsOfDatabase syncs;
  const uint64 rows = Execute(
      "SELECT s.sync_id, coalesce(d.index, ''), n.last_value::pg_catalog.int4"
      " FROM polyglot.sync_state s LEFT JOIN polyglot.sync_definition d ON d.id = s.sync_id,"
      " polyglot.sync_id n",
      {});
  TupleDesc desc = rows == 0 ? nullptr : SPI_tuptable->tupdesc;
  bool isnull;
  for (uint64 i = 0; i < rows; i++) {
    HeapTuple tuple = SPI_tuptable->vals[i];
    syncs.aliases[DatumGetInt32(SPI_getbinval(tuple, desc, 1, &isnull))] =
        SPI_getvalue(tuple, desc, 2);
    syncs.last_number = DatumGetInt32(SPI_getbinval(tuple, desc, 3, &isnull));
  }
  return syncs;
}

}  // namespace polyglot::pg
