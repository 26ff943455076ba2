#include "pg/catalog/dead_letters.h"

#include <map>
#include <utility>

#include "pg/catalog/parked_keys.h"
#include "pg/catalog/statement.h"
#include "pg/guard.h"

namespace polyglot::pg {
namespace {

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

}  // namespace

bool AnyDeadLetter(int32 sync) {
  return Finds("SELECT 1 FROM polyglot.dead_letter WHERE sync_id = $1 LIMIT 1", sync);
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

std::vector<core::PendingKey> FormerRoutings(
    std::int32_t sync, const std::vector<const core::Operation*>& operations) {
  std::vector<core::PendingKey> keys;
  RunOver(operations, sync, kWholeVersion, kFormer, SPI_OK_SELECT, [&] { TakeKeys(&keys); });
  return keys;
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
