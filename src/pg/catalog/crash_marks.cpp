#include "pg/catalog/crash_marks.h"

#include "pg/catalog/statement.h"

namespace polyglot::pg {

bool SetAsideMarked(std::int32_t queue, std::int32_t restarts) {
  Parameters p;
  p.Int4(queue);
  p.Int4(restarts);
  p.Run(
      "INSERT INTO polyglot.set_aside (queue, item) SELECT queue, item FROM polyglot.reading"
      " WHERE queue = $1 AND restarts < $2 ON CONFLICT DO NOTHING",
      SPI_OK_INSERT);
  return SPI_processed > 0;
}

void ForgetMarks(std::int32_t queue) {
  Parameters p;
  p.Int4(queue);
  p.Run("DELETE FROM polyglot.reading WHERE queue = $1", SPI_OK_DELETE);
  // Another version may read what this one could not.
  p.Run(
      "DELETE FROM polyglot.set_aside WHERE queue = $1 AND since < clock_timestamp() - interval "
      "'1 day'",
      SPI_OK_DELETE);
}

std::vector<std::int64_t> LoadSetAside(std::int32_t queue) {
  Parameters p;
  p.Int4(queue);
  p.Run("SELECT item FROM polyglot.set_aside WHERE queue = $1", SPI_OK_SELECT);
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
  p.Run(
      "INSERT INTO polyglot.reading (queue, item, restarts) VALUES ($1, $2, $3)"
      " ON CONFLICT (queue) DO UPDATE SET item = excluded.item, restarts = excluded.restarts",
      SPI_OK_INSERT);
}

}  // namespace polyglot::pg
