#include "pg/catalog/parked_keys.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/document_id.h"
#include "core/version.h"
#include "pg/catalog/statement.h"

namespace polyglot::pg {
namespace {

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

ParkedCount InsertParked(std::int32_t sync, const std::vector<core::PendingKey>& keys,
                         std::uint64_t stamp, std::uint64_t newest) {
  ParkedCount added;
  if (keys.empty()) return added;
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
  p.Int4(sync);
  columns.Push(&p, BYTEAOID);
  p.Int8(static_cast<std::int64_t>(stamp));
  p.Int8(static_cast<std::int64_t>(newest));
  p.Array(TIMESTAMPTZOID, captured, columns.count);
  columns.PushLongRoutings(&p);
  p.Run(kPark, SPI_OK_INSERT_RETURNING);
  added.rows = InsertedRows();
  added.oldest = oldest;
  added.bytes = bytes * added.rows / static_cast<std::uint64_t>(columns.count);
  return added;
}

std::uint64_t DeleteDelivered(std::int32_t sync,
                              const std::vector<const core::Operation*>& operations) {
  std::uint64_t gone = 0;
  RunOver(operations, sync, core::kPositionMask, kUnpark, SPI_OK_DELETE,
          [&] { gone += SPI_processed; });
  return gone;
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

void DeleteAllParked(std::int32_t sync) {
  Parameters p;
  p.Int4(sync);
  p.Run(
      "DELETE FROM polyglot.parked_key WHERE ctid = ANY (ARRAY(SELECT ctid FROM"
      " polyglot.parked_key WHERE sync_id = $1 FOR UPDATE SKIP LOCKED))",
      SPI_OK_DELETE);
}

// In the order of the index, so that no row that is gone already is looked at again.
DeletedParked DeleteSomeOfParked(std::int32_t sync, const std::string& from, std::uint64_t limit) {
  Parameters p;
  p.Int4(sync);
  p.ExactText(from);
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
  DeletedParked deleted;
  deleted.rows = static_cast<std::uint64_t>(
      DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull)));
  const Datum last = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull);
  if (!isnull) deleted.last_id = Utf8OfExact(last);
  return deleted;
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

}  // namespace polyglot::pg
