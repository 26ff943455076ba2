#include "pg/catalog/sync_row.h"

#include "pg/catalog/own_relations.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/catalog/tuple_columns.h"

namespace polyglot::pg {
namespace {

// One list of columns for every way to look a sync up, behind its id; ReadRow counts on this order.
#define SYNC_COLUMNS                                                                              \
  " d.name, d.source::oid, d.server::text, d.index, d.capture, d.key::text[],"                    \
  " d.columns::text[], d.filter, d.document, d.routing::text, d.mapping::text,"                   \
  " d.settings::text, d.options::text, d.manage_index, d.backfill, d.paused, d.created_at,"       \
  " d.counters_since,"                                                                            \
  " s.sync_id IS NOT NULL, s.server, s.queue, s.system_identifier, s.database, s.generation,"     \
  " s.physical_index, s.index_uuid, s.alias_pending, s.epoch, s.timeline,"                        \
  " s.version_bound, s.failed_reason, s.failed_hint, s.failed_detail, s.phase, s.resync_version," \
  " s.resync_reason, s.backfill_key, s.backfill_rows, s.backfill_total, s.last_generation,"       \
  " s.outdated_since, s.frozen, s.builds, s.rebuild_reason, s.fewest_documents,"                  \
  " s.most_documents, s.restore_settings, s.adopt, s.repair_reason, s.repair_since,"              \
  " s.last_error, s.last_error_at"                                                                \
  " FROM polyglot.sync_definition d "

constexpr char kSelect[] =
    "SELECT d.id," SYNC_COLUMNS "LEFT JOIN polyglot.sync_state s ON s.sync_id = d.id";
constexpr char kSelectBuildings[] =
    "SELECT s.sync_id," SYNC_COLUMNS "JOIN polyglot.sync_state s ON s.builds = d.id";

void ReadDefinition(TupleColumns* columns, SyncRow* row) {
  row->id = columns->Int32();
  row->name = columns->Text();
  row->source = columns->ObjectId();
  row->server_name = columns->Text();
  row->index = columns->Text();
  row->capture = columns->Text();
  int key_count;
  char** key = columns->TextArray(&key_count);
  row->key_count = Min(key_count, INDEX_MAX_KEYS);
  for (int i = 0; i < row->key_count; ++i) row->key_name[i] = key[i];
  row->columns = columns->TextArray(&row->column_count);
  row->filter = columns->Text();
  row->document = columns->Text();
  row->routing = columns->Text();
  row->mapping = columns->Text();
  row->settings = columns->Text();
  row->options = columns->Text();
  row->manage_index = columns->Bool();
  row->backfill = columns->Bool();
  row->paused = columns->Bool();
  row->created_at = columns->Int64();
  row->counters_since = columns->Int64();
}

void ReadState(TupleColumns* columns, SyncRow* row) {
  row->has_state = columns->Bool();
  row->server = columns->ObjectId();
  row->queue = columns->Int32();
  row->system_identifier = columns->Int64();
  row->database = columns->ObjectId();
  row->generation = columns->Int32();
  row->physical_index = columns->Text();
  row->index_uuid = columns->Text();
  row->alias_pending = columns->Bool();
  row->epoch = columns->Int32();
  row->timeline = columns->Int64();
  row->version_bound = columns->Int64();
  row->failed_reason = columns->Text();
  row->failed_hint = columns->Text();
  row->failed_detail = columns->Text();
  row->phase = columns->Text();
  row->resync_version = columns->Int64();
  row->resync_reason = columns->Text();
  row->backfill_key = columns->Bytes(&row->backfill_key_length);
  row->backfill_rows = columns->Int64();
  row->backfill_total = columns->Int64();
  row->last_generation = columns->Int32();
  row->outdated_since = columns->Int64();
  row->frozen = columns->Bool();
  row->builds = columns->Int32();
  row->rebuild_reason = columns->Text();
  row->fewest_documents = columns->Int64();
  row->most_documents = columns->Int64();
  row->restore_settings = columns->Text();
  row->adopt = columns->Bool();
  row->repair_reason = columns->Text();
  row->repair_since = columns->Int64();
  row->last_error = columns->Text();
  row->last_error_at = columns->Int64();
}

Oid OwnerOf(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

// What follows from the names as they are now: a definition that was restored has no state yet, and
// attribute numbers are never stored because a dump could not carry them.
void Resolve(SyncRow* row) {
  if (!row->has_state) {
    row->server = get_foreign_server_oid(row->server_name, true);
    row->phase = pstrdup("backfill");
    row->epoch = 1;
  }
  row->owner = OwnerOf(row->source);
  row->source_exists = OidIsValid(row->owner);
  if (!row->source_exists) return;
  for (int i = 0; i < row->key_count; ++i) row->key[i] = get_attnum(row->source, row->key_name[i]);
  row->routing_att = row->routing ? get_attnum(row->source, row->routing) : InvalidAttrNumber;
}

SyncRow* ReadRow(HeapTuple tuple, TupleDesc desc) {
  TupleColumns columns(tuple, desc);
  SyncRow* row = static_cast<SyncRow*>(palloc0(sizeof(SyncRow)));
  ReadDefinition(&columns, row);
  ReadState(&columns, row);
  Resolve(row);
  return row;
}

SyncRow** LoadWhere(const char* condition, Oid type, Datum value, int* count,
                    const char* select = kSelect) {
  MemoryContext caller = CurrentMemoryContext;
  *count = 0;
  if (!ExtensionExists()) return nullptr;
  AsExtensionOwner as_owner;
  SPI_connect();
  SelectLatest(psprintf("%s %s", select, condition), type, value);
  int rows = static_cast<int>(SPI_processed);
  MemoryContext spi = MemoryContextSwitchTo(caller);
  SyncRow** syncs = static_cast<SyncRow**>(palloc0(sizeof(SyncRow*) * (rows + 1)));
  for (int i = 0; i < rows; ++i) syncs[i] = ReadRow(SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
  MemoryContextSwitchTo(spi);
  SPI_finish();
  *count = rows;
  return syncs;
}

SyncRow* LoadOne(const char* condition, Oid type, Datum value) {
  int count;
  SyncRow** syncs = LoadWhere(condition, type, value, &count);
  return count > 0 ? syncs[0] : nullptr;
}

}  // namespace

SyncRow* LoadSync(const char* name) {
  return LoadOne("WHERE d.name = $1", TEXTOID, CStringGetTextDatum(name));
}

SyncRow* LoadSyncById(int32 id) { return LoadOne("WHERE d.id = $1", INT4OID, Int32GetDatum(id)); }

SyncRow** LoadSyncs(Oid server, int* count) {
  if (!OidIsValid(server)) return LoadWhere("ORDER BY d.id", InvalidOid, 0, count);
  // A restored definition has no state: its server is known by name only.
  return LoadWhere(
      "WHERE s.server = $1 OR s.server IS NULL AND d.server ="
      " (SELECT f.srvname FROM pg_foreign_server f WHERE f.oid = $1) ORDER BY d.id",
      OIDOID, ObjectIdGetDatum(server), count);
}

SyncRow** LoadBuildings(Oid server, int* count) {
  return LoadWhere("WHERE s.server = $1 ORDER BY s.sync_id", OIDOID, ObjectIdGetDatum(server),
                   count, kSelectBuildings);
}

SyncRow* LoadBuildingById(int32 id) {
  int count;
  SyncRow** rows =
      LoadWhere("WHERE s.sync_id = $1", INT4OID, Int32GetDatum(id), &count, kSelectBuildings);
  return count > 0 ? rows[0] : nullptr;
}

SyncRow** LoadSyncsOfSource(Oid source, int* count) {
  return LoadWhere("WHERE d.source = $1 ORDER BY d.id", OIDOID, ObjectIdGetDatum(source), count);
}

SyncRow* LoadSyncOrError(const char* name) {
  SyncRow* row = LoadSync(name);
  if (!row)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("sync \"%s\" does not exist", name),
                    errhint("The view polyglot.syncs lists the syncs of this database.")));
  return row;
}

}  // namespace polyglot::pg
