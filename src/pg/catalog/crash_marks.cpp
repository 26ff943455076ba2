#include "pg/catalog/crash_marks.h"

#include "pg/catalog/statement.h"

namespace polyglot::pg {
namespace {

constexpr char kSetAside[] =
    "INSERT INTO polyglot.set_aside (queue, item) SELECT queue, item FROM polyglot.reading"
    " WHERE queue = $1 AND restarts < $2 AND item = suspect ON CONFLICT DO NOTHING";

constexpr char kSuspect[] =
    "UPDATE polyglot.reading SET suspect = item, item = NULL"
    " WHERE queue = $1 AND restarts < $2 AND item IS NOT NULL";

constexpr char kClear[] =
    "UPDATE polyglot.reading SET item = NULL, suspect = NULLIF(suspect, item)"
    " WHERE queue = $1 AND item IS NOT NULL";

constexpr char kMark[] =
    "INSERT INTO polyglot.reading (queue, item, restarts) VALUES ($1, $2, $3)"
    " ON CONFLICT (queue) DO UPDATE SET item = excluded.item, restarts = excluded.restarts,"
    " suspect = CASE WHEN reading.item <> excluded.item"
    " THEN NULLIF(reading.suspect, reading.item) ELSE reading.suspect END";

void RunOn(std::int32_t queue, const char* sql, int expected) {
  Parameters p;
  p.Int4(queue);
  p.Run(sql, expected);
}

}  // namespace

bool SetAsideMarked(std::int32_t queue, std::int32_t restarts) {
  Parameters p;
  p.Int4(queue);
  p.Int4(restarts);
  p.Run(kSetAside, SPI_OK_INSERT);
  const bool any = SPI_processed > 0;
  p.Run(kSuspect, SPI_OK_UPDATE);
  return any;
}

void ClearMark(std::int32_t queue) { RunOn(queue, kClear, SPI_OK_UPDATE); }

void DropMarks(std::int32_t queue) {
  RunOn(queue, "DELETE FROM polyglot.reading WHERE queue = $1", SPI_OK_DELETE);
}

void EndSetAside(std::int32_t queue) {
  RunOn(queue,
        "DELETE FROM polyglot.set_aside WHERE queue = $1"
        " AND since < clock_timestamp() - interval '1 day'",
        SPI_OK_DELETE);
}

std::vector<std::int64_t> LoadSetAside(std::int32_t queue) {
  RunOn(queue, "SELECT item FROM polyglot.set_aside WHERE queue = $1", SPI_OK_SELECT);
  std::vector<std::int64_t> items;
  bool isnull;
  for (uint64 i = 0; i < SPI_processed; i++)
    items.push_back(
        DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull)));
  return items;
}

void MarkReading(std::int32_t queue, std::int64_t item, std::int32_t restarts) {
  Parameters p;
  p.Int4(queue);
  p.Int8(item);
  p.Int4(restarts);
  p.Run(kMark, SPI_OK_INSERT);
}

}  // namespace polyglot::pg
