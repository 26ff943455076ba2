#include "pg/catalog/verifications.h"

#include "pg/catalog/statement.h"

namespace polyglot::pg {
namespace {

constexpr int kTries = 10;

Datum ServerText(const std::string& text) {
  return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

Columns ColumnsOf(const std::vector<const Candidate*>& candidates) {
  Columns columns(candidates.size());
  for (const Candidate* candidate : candidates)
    columns.Add(candidate->id, candidate->routing, ByteaOf(candidate->key));
  return columns;
}

void RunOn(const VerificationRun& run, const std::vector<const Candidate*>& candidates,
           const char* sql, int expected) {
  if (candidates.empty()) return;
  Parameters p;
  p.Int4(run.sync);
  ColumnsOf(candidates).Push(&p, BYTEAOID);
  p.Int8(run.number);
  p.Run(sql, expected);
}

}  // namespace

const char* NameOf(Problem problem) {
  static constexpr const char* names[] = {"missing", "orphan", "different", "stale"};
  return names[static_cast<int>(problem)];
}

std::optional<LastVerification> LoadVerification(std::int32_t sync) {
  Parameters p;
  p.Int4(sync);
  p.Run(
      "SELECT started_at, finished_at IS NULL, sample::float8, repair FROM polyglot.verification"
      " WHERE sync_id = $1 ORDER BY number DESC LIMIT 1",
      SPI_OK_SELECT);
  if (SPI_processed == 0) return std::nullopt;
  bool isnull;
  HeapTuple tuple = SPI_tuptable->vals[0];
  TupleDesc desc = SPI_tuptable->tupdesc;
  LastVerification last;
  last.started = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 1, &isnull));
  last.unfinished = DatumGetBool(SPI_getbinval(tuple, desc, 2, &isnull));
  last.sample = DatumGetFloat8(SPI_getbinval(tuple, desc, 3, &isnull));
  last.repair = DatumGetBool(SPI_getbinval(tuple, desc, 4, &isnull));
  return last;
}

VerificationRun StartVerification(std::int32_t sync, double sample, bool repair) {
  Parameters of_sync;
  of_sync.Int4(sync);
  of_sync.Run(
      "DELETE FROM polyglot.difference WHERE sync_id = $1 AND number IS DISTINCT FROM"
      " (SELECT max(number) FROM polyglot.verification WHERE sync_id = $1"
      " AND finished_at IS NOT NULL)",
      SPI_OK_DELETE);
  of_sync.Run(
      "DELETE FROM polyglot.verification WHERE sync_id = $1 AND (finished_at IS NULL OR number <="
      " (SELECT max(number) - 19 FROM polyglot.verification WHERE sync_id = $1))",
      SPI_OK_DELETE);
  Parameters p;
  p.Int4(sync);
  char share[32];
  snprintf(share, sizeof share, "%.9g", sample);
  p.Text(share);
  p.Bool(repair);
  p.Run(
      "INSERT INTO polyglot.verification (sync_id, number, sample, repair) SELECT $1,"
      " 1 + coalesce(max(number), 0), $2::float4, $3 FROM polyglot.verification"
      " WHERE sync_id = $1 RETURNING number",
      SPI_OK_INSERT_RETURNING);
  bool isnull;
  return {sync,
          DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull))};
}

void StoreVerification(const VerificationRun& run, const VerificationCounts& counts,
                       const std::string& note, bool finished) {
  Parameters p;
  p.Int4(run.sync);
  p.Int8(run.number);
  for (std::uint64_t count :
       {counts.compared, counts.missing, counts.orphan, counts.different, counts.stale})
    p.Int8(static_cast<std::int64_t>(count));
  p.Bool(finished);
  p.Text(note);
  p.Run(
      "UPDATE polyglot.verification SET compared = $3, missing = $4, orphan = $5, different = $6,"
      " stale = $7, finished_at = CASE WHEN $8 THEN clock_timestamp() END, note = nullif($9, '')"
      " WHERE sync_id = $1 AND number = $2",
      SPI_OK_UPDATE);
}

void StoreCandidates(const VerificationRun& run, const std::vector<Candidate>& candidates) {
  if (candidates.empty()) return;
  std::vector<const Candidate*> pointers;
  for (const Candidate& candidate : candidates) pointers.push_back(&candidate);
  const Columns columns = ColumnsOf(pointers);
  Parameters p;
  p.Int4(run.sync);
  columns.Push(&p, BYTEAOID);
  p.Int8(run.number);
  columns.PushLongRoutings(&p);
  p.Run(
      "INSERT INTO polyglot.difference (sync_id, number, document_id, routing, has_routing,"
      " packed_key, long_routing) SELECT $1, $6, u.id, u.r, u.h, u.k, NULLIF(u.l, '')"
      " FROM unnest($2, $3, $4, $5, $7) AS u(id, r, h, k, l) ON CONFLICT DO NOTHING",
      SPI_OK_INSERT);
}

std::vector<Candidate> LoadCandidates(const VerificationRun& run, std::size_t limit) {
  Parameters p;
  p.Int4(run.sync);
  p.Int4(static_cast<std::int32_t>(limit));
  p.Int8(run.number);
  p.Run(
      "SELECT document_id, coalesce(long_routing, routing), has_routing, packed_key"
      " FROM polyglot.difference d WHERE sync_id = $1 AND number = $3 AND problem IS NULL"
      " ORDER BY tries, document_id, d.routing LIMIT $2",
      SPI_OK_SELECT);
  std::vector<Candidate> candidates;
  TupleDesc desc = SPI_tuptable->tupdesc;
  for (uint64 i = 0; i < SPI_processed; i++) {
    Candidate candidate;
    ReadDocumentKey(SPI_tuptable->vals[i], desc, &candidate);
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

// The places of the candidates, each looked up by its key: see parked_keys.cpp.
#define FIND_EACH                                                                       \
  "SELECT f.ctid FROM unnest($2, $3, $4, $5) AS u(id, r, h, k), LATERAL (SELECT d.ctid" \
  " FROM polyglot.difference d WHERE d.sync_id = $1 AND d.number = $6"                  \
  " AND d.document_id = u.id AND d.routing = u.r AND d.has_routing = u.h OFFSET 0) AS f"

void DropCandidates(const VerificationRun& run, const std::vector<const Candidate*>& candidates) {
  RunOn(run, candidates, "DELETE FROM polyglot.difference WHERE ctid = ANY (ARRAY(" FIND_EACH "))",
        SPI_OK_DELETE);
}

void CountTry(const VerificationRun& run, const std::vector<const Candidate*>& candidates) {
  RunOn(run, candidates,
        "UPDATE polyglot.difference SET tries = tries + 1 WHERE ctid = ANY (ARRAY(" FIND_EACH "))",
        SPI_OK_UPDATE);
  if (candidates.empty()) return;
  Parameters p;
  p.Int4(run.sync);
  p.Int4(kTries);
  p.Int8(run.number);
  p.Run(
      "DELETE FROM polyglot.difference WHERE sync_id = $1 AND number = $3 AND problem IS NULL AND "
      "tries >= $2",
      SPI_OK_DELETE);
}

void StoreDifferences(const VerificationRun& run, const std::vector<Difference>& differences,
                      bool repaired) {
  if (differences.empty()) return;
  Columns columns(differences.size());
  Datum* keys = Columns::New(differences.size());
  Datum* details = Columns::New(differences.size());
  for (const Difference& difference : differences) {
    keys[columns.count] = ServerText(difference.key_json);
    details[columns.count] = TextOf(difference.detail);
    columns.Add(difference.candidate->id, difference.candidate->routing,
                PointerGetDatum(cstring_to_text(NameOf(difference.problem))));
  }
  Parameters p;
  p.Int4(run.sync);
  columns.Push(&p, TEXTOID);
  p.Array(TEXTOID, keys, columns.count);
  p.Array(TEXTOID, details, columns.count);
  p.Bool(repaired);
  p.Int8(run.number);
  p.Run(
      "UPDATE polyglot.difference d SET problem = u.p, key = nullif(u.k, '')::jsonb,"
      " detail = CASE WHEN l.sync_id IS NULL THEN u.t WHEN u.t = '' THEN 'its last delivery is a"
      " dead letter' ELSE u.t || '; its last delivery is a dead letter' END,"
      " repaired = $8 AND l.sync_id IS NULL"
      " FROM unnest($2, $3, $4, $5, $6, $7) AS u(id, r, h, p, k, t)"
      " LEFT JOIN LATERAL (SELECT sync_id FROM polyglot.dead_letter WHERE sync_id = $1"
      " AND document_id = u.id AND routing = u.r AND has_routing = u.h OFFSET 0) AS l ON true,"
      " LATERAL (SELECT c.ctid AS place FROM polyglot.difference c WHERE c.sync_id = $1"
      " AND c.number = $9 AND c.document_id = u.id AND c.routing = u.r AND c.has_routing = u.h"
      " OFFSET 0) AS f WHERE d.ctid = f.place",
      SPI_OK_UPDATE);
}

}  // namespace polyglot::pg
