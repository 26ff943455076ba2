#include "pg/worker/records.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/document_id.h"
#include "pg/guard.h"
#include "pg/shared/version_positions.h"
#include "pg/worker/statement.h"
#include "pg/worker/sync_state.h"

namespace polyglot::pg {
namespace {

// What `f` allocates is gone afterwards, not only at the end of the transaction.
template <typename F>
void InScratchMemory(F&& f) {
  MemoryContext scratch =
      AllocSetContextCreate(CurrentMemoryContext, "polyglot_sync records", ALLOCSET_DEFAULT_SIZES);
  MemoryContext before = MemoryContextSwitchTo(scratch);
  f();
  MemoryContextSwitchTo(before);
  MemoryContextDelete(scratch);
}

// One statement takes so many rows: its arrays and their copies are memory of ours.
constexpr std::size_t kRowsAtOnce = 1000;

// Runs a statement over (sync, ids, routings, has_routings, versions) of operations, so many rows
// at a time; `after` takes the results of each run.
template <typename F>
void RunOver(const std::vector<const core::Operation*>& operations, std::int32_t sync,
             std::uint64_t mask, const char* sql, int expected, F&& after) {
  for (std::size_t at = 0; at < operations.size(); at += kRowsAtOnce) {
    const std::size_t end = std::min(operations.size(), at + kRowsAtOnce);
    InScratchMemory([&] {
      Columns columns(end - at);
      for (std::size_t i = at; i < end; i++)
        columns.Add(operations[i]->id, operations[i]->routing,
                    Int64GetDatum(static_cast<std::int64_t>(operations[i]->version & mask)));
      Parameters p;
      p.Int4(sync);
      columns.Push(&p, INT8OID);
      p.Run(sql, expected);
      after();
    });
  }
}

constexpr std::uint64_t kWholeVersion = ~std::uint64_t{0};

constexpr const char kPark[] =
    "INSERT INTO polyglot.parked_key AS p (sync_id, document_id, routing, has_routing, key, stamp,"
    " captured_at, long_routing) SELECT $1, u.id, u.r, u.h, u.k, $6, u.c, NULLIF(u.l, '')"
    " FROM unnest($2, $3, $4, $5, $8, $9) AS u(id, r, h, k, c, l) ON CONFLICT (sync_id, "
    "document_id, routing, has_routing)"
    " DO UPDATE SET stamp = excluded.stamp WHERE p.stamp <= $7 RETURNING xmax";

// In these statements the table is always looked up by each of the keys (LATERAL, and OFFSET or
// FOR UPDATE so that it stays so). A planner that believes that a sync has few rows, as it does of
// a table that nobody has analysed, would compare each of them with all of the keys.

// Rows that somebody's open transaction deletes (drop_sync, discard) are left to it: should it be
// rolled back, a parked key is delivered once more.
constexpr const char kUnpark[] =
    "DELETE FROM polyglot.parked_key WHERE ctid = ANY (ARRAY(SELECT f.ctid"
    " FROM unnest($2, $3, $4, $5) AS u(id, r, h, v), LATERAL (SELECT p.ctid"
    " FROM polyglot.parked_key p WHERE p.sync_id = $1 AND p.document_id = u.id AND p.routing = u.r"
    " AND p.has_routing = u.h AND p.stamp < u.v FOR UPDATE SKIP LOCKED) AS f))";

// A row that could not be read (status 0) never told its routing.
constexpr const char kClear[] =
    "DELETE FROM polyglot.dead_letter WHERE ctid = ANY (ARRAY(SELECT f.ctid"
    " FROM unnest($2, $3, $4, $5) AS u(id, r, h, v), LATERAL (SELECT p.ctid"
    " FROM polyglot.dead_letter p WHERE p.sync_id = $1 AND p.document_id = u.id"
    " AND p.version < u.v"
    " AND ((p.routing = u.r AND p.has_routing = u.h) OR p.http_status = 0)"
    " FOR UPDATE SKIP LOCKED) AS f))";

// Where documents have been whose rows could not be read then, with another routing than now.
constexpr const char kFormer[] =
    "SELECT f.document_id, coalesce(f.long_routing, f.routing), f.has_routing, f.key,"
    " pg_catalog.clock_timestamp() FROM unnest($2, $3, $4, $5) AS u(id, r, h, v),"
    " LATERAL (SELECT d.document_id, d.long_routing, d.routing, d.has_routing, d.key"
    " FROM polyglot.dead_letter d WHERE d.sync_id = $1 AND d.document_id = u.id"
    " AND d.version < u.v AND d.http_status = 0 AND (d.routing, d.has_routing) <> (u.r, u.h)"
    " OFFSET 0) AS f";

constexpr const char kDead[] =
    "INSERT INTO polyglot.dead_letter AS d (sync_id, document_id, routing, has_routing, key,"
    " operation, version, http_status, error_type, reason, document, long_routing)"
    " SELECT $1, u.id, u.r, u.h, u.k, u.o, u.v, u.s, u.t, u.e, NULLIF(u.d, ''), NULLIF(u.l, '')"
    " FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
    " AS u(id, r, h, k, o, v, s, t, e, d, l)"
    " ON CONFLICT (sync_id, document_id, routing, has_routing) DO UPDATE SET"
    " key = excluded.key, operation = excluded.operation, version = excluded.version,"
    " http_status = excluded.http_status, error_type = excluded.error_type,"
    " reason = excluded.reason, document = excluded.document, attempts = d.attempts + 1,"
    " last_failed_at = pg_catalog.clock_timestamp() WHERE excluded.version >= d.version";

constexpr std::size_t kLetterBytesAtOnce = 1u << 20;  // documents are copied several times

using LetterList = std::vector<const DeadLetter*>;

// The newest of each (id, routing): an INSERT … ON CONFLICT may not meet the same row twice.
LetterList NewestLetters(const std::vector<DeadLetter>& letters) {
  std::map<std::pair<std::string_view, std::optional<std::string_view>>, const DeadLetter*> newest;
  for (const DeadLetter& letter : letters) {
    const core::Operation& op = *letter.operation;
    const DeadLetter*& found = newest[{op.id, op.routing}];
    if (found == nullptr || found->operation->version <= op.version) found = &letter;
  }
  LetterList list;
  for (const auto& [name, letter] : newest) list.push_back(letter);
  return list;
}

void InsertLetters(std::int32_t sync, LetterList::const_iterator begin,
                   LetterList::const_iterator end, bool with_documents) {
  const auto rows = static_cast<std::size_t>(end - begin);
  Columns columns(rows);
  Datum *operations = Columns::New(rows), *versions = Columns::New(rows),
        *statuses = Columns::New(rows), *types = Columns::New(rows), *reasons = Columns::New(rows),
        *documents = Columns::New(rows);
  for (auto it = begin; it != end; ++it) {
    const core::Operation& op = *(*it)->operation;
    const int at = columns.count;
    columns.Add(op.id, op.routing, ByteaOf(op.key));
    operations[at] = TextOf(op.kind == core::OperationKind::kIndex ? "index" : "delete");
    versions[at] = Int64GetDatum(static_cast<std::int64_t>(op.version));
    statuses[at] = Int32GetDatum((*it)->status);
    types[at] = TextOf((*it)->error_type);
    reasons[at] = TextOf((*it)->reason);
    documents[at] = TextOf(with_documents ? std::string_view(op.body) : std::string_view());
  }
  Parameters p;
  p.Int4(sync);
  columns.Push(&p, BYTEAOID);
  p.Array(TEXTOID, operations, columns.count);
  p.Array(INT8OID, versions, columns.count);
  p.Array(INT4OID, statuses, columns.count);
  p.Array(TEXTOID, types, columns.count);
  p.Array(TEXTOID, reasons, columns.count);
  p.Array(TEXTOID, documents, columns.count);
  columns.PushLongRoutings(&p);
  p.Run(kDead, SPI_OK_INSERT);
}

void InsertAll(std::int32_t sync, const LetterList& list, bool with_documents) {
  for (auto begin = list.begin(); begin != list.end();) {
    auto end = begin;
    for (std::size_t bytes = 0; end != list.end() && bytes < kLetterBytesAtOnce &&
                                end - begin < static_cast<std::ptrdiff_t>(kRowsAtOnce);
         ++end)
      bytes += (*end)->operation->body.size() + (*end)->reason.size();
    InScratchMemory([&] { InsertLetters(sync, begin, end, with_documents); });
    begin = end;
  }
}

bool TryInsert(std::int32_t sync, const LetterList& list, bool with_documents, PgError* error) {
  return InSubtransaction(
      [&] {
        const int level = NewGUCNestLevel();
        (void)set_config_option("lock_timeout", "10ms", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                                true, 0, false);
        InsertAll(sync, list, with_documents);
        AtEOXact_GUC(false, level);
      },
      error);
}

// (document_id, routing, has_routing, key, captured_at) of the last query.
void TakeKeys(std::vector<core::PendingKey>* keys) {
  TupleDesc desc = SPI_tuptable->tupdesc;
  for (uint64 i = 0; i < SPI_processed; i++) {
    HeapTuple tuple = SPI_tuptable->vals[i];
    core::PendingKey key;
    ReadDocumentKey(tuple, desc, &key);
    bool isnull;
    key.captured_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 5, &isnull));
    keys->push_back(std::move(key));
  }
}

// What a parked row takes in the table and its index beside id, routing (twice) and key.
constexpr std::uint64_t kParkedRow = 120;

std::uint64_t RoutingBytes(const core::PendingKey& key) {
  if (!key.routing) return 0;
  const std::string name = ShortRouting(*key.routing);
  return 2 * name.size() + (core::IsHashedId(name) ? key.routing->size() : 0);
}

// Rows that INSERT … ON CONFLICT … RETURNING xmax has inserted: the others were locked before
// their update, which shows in xmax.
std::uint64_t InsertedRows() {
  std::uint64_t inserted = 0;
  bool isnull;
  for (uint64 i = 0; i < SPI_processed; i++) {
    const Datum xmax = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
    inserted += DatumGetTransactionId(xmax) == InvalidTransactionId ? 1 : 0;
  }
  return inserted;
}

// One row for each (id, routing): an INSERT … ON CONFLICT may not meet the same row twice.
std::vector<const core::PendingKey*> Distinct(const std::vector<core::PendingKey>& keys) {
  std::set<std::pair<std::string_view, std::optional<std::string_view>>> seen;
  std::vector<const core::PendingKey*> distinct;
  for (const core::PendingKey& key : keys)
    if (seen.emplace(key.id, key.routing).second) distinct.push_back(&key);
  return distinct;
}

}  // namespace

void ParkKeys(SyncRuntime* sync, const std::vector<core::PendingKey>& keys, std::uint64_t stamp) {
  if (keys.empty()) return;
  Columns columns(keys.size());
  Datum* captured = Columns::New(keys.size());
  std::int64_t oldest = INT64_MAX;
  std::uint64_t bytes = 0;
  for (const core::PendingKey* key : Distinct(keys)) {
    captured[columns.count] = TimestampTzGetDatum(key->captured_at);
    columns.Add(key->id, key->routing, ByteaOf(key->key));
    oldest = std::min(oldest, key->captured_at);
    bytes += kParkedRow + 2 * key->id.size() + key->key.size() + RoutingBytes(*key);
  }
  Parameters p;
  p.Int4(sync->id);
  columns.Push(&p, BYTEAOID);
  p.Int8(static_cast<std::int64_t>(stamp));
  p.Int8(static_cast<std::int64_t>(sync->versions.highest));
  p.Array(TIMESTAMPTZOID, captured, columns.count);
  columns.PushLongRoutings(&p);
  p.Run(kPark, SPI_OK_INSERT_RETURNING);
  ParkedCount& count = sync->parked.count;
  const std::uint64_t added = InsertedRows();
  count.oldest = count.rows == 0 ? oldest : std::min(count.oldest, oldest);
  count.rows += added;
  count.bytes += bytes * added / static_cast<std::uint64_t>(columns.count);
}

void UnparkKeys(SyncRuntime* sync, const std::vector<const core::Operation*>& operations) {
  if (operations.empty()) return;
  std::uint64_t gone = 0;
  RunOver(operations, sync->id, kPositionMask, kUnpark, SPI_OK_DELETE,
          [&] { gone += SPI_processed; });
  ParkedCount& count = sync->parked.count;
  const std::uint64_t left = count.rows - std::min(count.rows, gone);
  count.bytes = count.rows == 0 ? 0 : count.bytes / count.rows * left;
  count.rows = left;
}

std::vector<core::PendingKey> LoadParked(std::int32_t sync, int limit,
                                         const core::PendingKey* after) {
  Parameters p;
  p.Int4(sync);
  p.Int4(limit);
  p.ExactText(after == nullptr ? std::string_view() : std::string_view(after->id));
  p.Routing(after == nullptr ? std::nullopt : after->routing);
  p.Bool(after != nullptr && after->routing.has_value());
  p.Run(
      "SELECT document_id, coalesce(long_routing, routing), has_routing, key, captured_at"
      " FROM polyglot.parked_key"
      " WHERE sync_id = $1 AND (document_id, routing, has_routing) > ($3, $4, $5)"
      " ORDER BY document_id, parked_key.routing, has_routing LIMIT $2",
      SPI_OK_SELECT);
  std::vector<core::PendingKey> keys;
  TakeKeys(&keys);
  return keys;
}

void DeleteParked(SyncRuntime* sync) {
  Parameters p;
  p.Int4(sync->id);
  p.Run(
      "DELETE FROM polyglot.parked_key WHERE ctid = ANY (ARRAY(SELECT ctid FROM"
      " polyglot.parked_key WHERE sync_id = $1 FOR UPDATE SKIP LOCKED))",
      SPI_OK_DELETE);
  sync->parked.count = ParkedCount{};
}

// In the order of the index, so that no row that is gone already is looked at again.
void DeleteSomeParked(SyncRuntime* sync, std::uint64_t limit) {
  ParkedState& parked = sync->parked;
  Parameters p;
  p.Int4(sync->id);
  p.ExactText(parked.cursor ? std::string_view(parked.cursor->id) : std::string_view());
  p.Int8(static_cast<std::int64_t>(limit));
  p.Run(
      "WITH s AS MATERIALIZED (SELECT p.ctid, p.document_id FROM polyglot.parked_key p"
      " WHERE p.sync_id = $1 AND p.document_id >= $2"
      " ORDER BY p.document_id, p.routing, p.has_routing LIMIT $3 FOR UPDATE SKIP LOCKED),"
      " d AS (DELETE FROM polyglot.parked_key WHERE ctid = ANY (ARRAY(SELECT ctid FROM s)))"
      " SELECT max(document_id), count(*) FROM s",
      SPI_OK_SELECT);
  bool isnull;
  HeapTuple tuple = SPI_tuptable->vals[0];
  const auto gone = static_cast<std::uint64_t>(
      DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull)));
  if (gone < limit) {
    parked.count = ParkedCount{};
    return parked.cursor.reset();
  }
  const Datum last = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull);
  parked.cursor.emplace().id = Utf8OfExact(last);
  parked.count.rows -= std::min(parked.count.rows, gone);
}

std::string QueueHolder(Oid table_a, Oid table_b) {
  Parameters p;
  p.Int8(table_a);
  p.Int8(table_b);
  // A prepared transaction has no pid; its own xid is locked under the same virtual transaction.
  p.Run(
      "SELECT CASE WHEN x.gid IS NULL THEN 'process ' || l.pid ELSE 'prepared transaction \"'"
      " || x.gid || '\"' END FROM pg_locks l LEFT JOIN pg_locks h"
      " ON h.locktype = 'transactionid' AND h.virtualtransaction = l.virtualtransaction"
      " AND h.pid IS NULL AND l.pid IS NULL"
      " LEFT JOIN pg_prepared_xacts x ON x.transaction = h.transactionid"
      " WHERE l.locktype = 'relation' AND l.relation IN ($1::oid, $2::oid) AND l.granted"
      " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
      " AND l.pid IS DISTINCT FROM pg_backend_pid() AND coalesce(x.gid, l.pid::text) IS NOT NULL"
      " ORDER BY l.mode IN ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock',"
      " 'ShareLock') DESC, x.gid NULLS LAST LIMIT 1",
      SPI_OK_SELECT);
  if (SPI_processed == 0) return "";
  const char* holder = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
  return holder == nullptr ? "" : holder;
}

ParkedCount CountParked(std::int32_t sync) {
  Parameters p;
  p.Int4(sync);
  p.Run(
      "SELECT pg_catalog.count(*), pg_catalog.min(captured_at),"
      " coalesce(pg_catalog.sum(2 * octet_length(document_id) + 2 * octet_length(routing)"
      " + coalesce(octet_length(long_routing), 0) + octet_length(key)), 0)::int8 FROM "
      "polyglot.parked_key WHERE sync_id = $1",
      SPI_OK_SELECT);
  bool isnull;
  HeapTuple tuple = SPI_tuptable->vals[0];
  TupleDesc desc = SPI_tuptable->tupdesc;
  ParkedCount count;
  count.rows = static_cast<std::uint64_t>(DatumGetInt64(SPI_getbinval(tuple, desc, 1, &isnull)));
  const Datum oldest = SPI_getbinval(tuple, desc, 2, &isnull);
  count.oldest = isnull ? 0 : DatumGetTimestampTz(oldest);
  count.bytes = kParkedRow * count.rows +
                static_cast<std::uint64_t>(DatumGetInt64(SPI_getbinval(tuple, desc, 3, &isnull)));
  return count;
}

// Somebody's open transaction (discard, drop_sync) may have the row of one of them.
bool WriteDeadLetters(std::int32_t sync, const std::vector<DeadLetter>& letters) {
  if (letters.empty()) return true;
  const LetterList list = NewestLetters(letters);
  PgError error{};
  bool written = TryInsert(sync, list, true, &error);
  // Whatever is in the way of the documents must not be in the way of the next worker, too.
  if (!written && error.sqlstate != ERRCODE_LOCK_NOT_AVAILABLE)
    written = TryInsert(sync, list, false, &error);
  if (!written && error.sqlstate != ERRCODE_LOCK_NOT_AVAILABLE) guard_detail::Raise(error);
  return written;
}

bool ParkFormerRoutings(SyncRuntime* sync, const std::vector<const core::Operation*>& operations) {
  std::vector<core::PendingKey> keys;
  RunOver(operations, sync->id, kWholeVersion, kFormer, SPI_OK_SELECT, [&] { TakeKeys(&keys); });
  if (keys.empty()) return true;
  if (!LockState(sync)) return false;
  ParkKeys(sync, keys, DrawPositions(1));
  return true;
}

void ClearDeadLetters(std::int32_t sync, const std::vector<const core::Operation*>& operations) {
  RunOver(operations, sync, kWholeVersion, kClear, SPI_OK_DELETE, [] {});
}

bool HasDeadLetters(std::int32_t sync) {
  Parameters p;
  p.Int4(sync);
  p.Run("SELECT 1 FROM polyglot.dead_letter WHERE sync_id = $1 LIMIT 1", SPI_OK_SELECT);
  return SPI_processed > 0;
}

bool LettersAreFree(std::int32_t sync) {
  Parameters p;
  p.Int4(sync);
  p.Run(
      "SELECT (SELECT count(*) FROM polyglot.dead_letter WHERE sync_id = $1) = (SELECT count(*)"
      " FROM (SELECT 1 FROM polyglot.dead_letter WHERE sync_id = $1 FOR UPDATE SKIP LOCKED) f)",
      SPI_OK_SELECT);
  bool isnull;
  return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

}  // namespace polyglot::pg
