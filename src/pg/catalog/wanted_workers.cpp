#include "pg/catalog/wanted_workers.h"

namespace polyglot::pg {
namespace {

constexpr const char kWanted[] =
    "SELECT w.server, w.queue FROM (SELECT s.server, s.queue FROM polyglot.sync_state s"
    " JOIN polyglot.sync_definition d ON d.id = s.sync_id"
    " UNION SELECT q.server, q.id FROM polyglot.dropped_index i"
    " JOIN polyglot.queue q ON q.server = i.server) w"
    " JOIN pg_foreign_server f ON f.oid = w.server";

void Read(const char* sql) {
  if (SPI_execute(sql, true, 0) != SPI_OK_SELECT) elog(ERROR, "could not read the syncs");
}

}  // namespace

int LoadWantedWorkers(WantedWorker* wanted, int most) {
  Read(kWanted);
  int count = 0;
  for (uint64 i = 0; i < SPI_processed && count < most; i++) {
    bool isnull;
    HeapTuple tuple = SPI_tuptable->vals[i];
    wanted[count].server =
        DatumGetObjectId(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull));
    wanted[count].queue = DatumGetInt32(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull));
    count++;
  }
  return count;
}

SyncNumbers LoadSyncNumbers(MemoryContext memory) {
  Read("SELECT sync_id FROM polyglot.sync_state");
  const auto count = static_cast<int>(SPI_processed);
  const Size bytes = sizeof(int32) * static_cast<Size>(count + 1);
  auto* values = static_cast<int32*>(MemoryContextAlloc(memory, bytes));
  bool isnull;
  for (int i = 0; i < count; i++)
    values[i] =
        DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
  return {values, count};
}

}  // namespace polyglot::pg
