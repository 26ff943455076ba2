// The probe: a transient process that looks into one database and tells the launcher, through
// shared memory, which servers need a worker there. It exits at once.

#include "pg/catalog.h"
#include "pg/shared_state.h"
#include "pg/worker/launcher.h"

extern "C" {
PGDLLEXPORT void polyglot_probe_main(Datum argument);
}

namespace polyglot::pg {
namespace {

struct Wanted {
  Oid server;
  int32 queue;
};

// Servers that have syncs, or indexes left to drop for one that was dropped.
constexpr const char kQuery[] =
    "SELECT s.server, s.queue FROM polyglot.sync_state s"
    " JOIN polyglot.sync_definition d ON d.id = s.sync_id"
    " UNION SELECT q.server, q.id FROM polyglot.dropped_index i"
    " JOIN polyglot.queue q ON q.server = i.server";

int ReadWanted(Wanted* wanted) {
  if (!ExtensionExists() || !WorkersEnabled()) return 0;
  if (SPI_execute(kQuery, true, 0) != SPI_OK_SELECT) elog(ERROR, "could not read the syncs");
  int count = 0;
  for (uint64 i = 0; i < SPI_processed && count < kMaxWorkers; i++) {
    bool isnull;
    HeapTuple tuple = SPI_tuptable->vals[i];
    wanted[count].server =
        DatumGetObjectId(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull));
    wanted[count].queue = DatumGetInt32(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull));
    count++;
  }
  return count;
}

bool IsWanted(const WorkerSlot& slot, const Wanted* wanted, int count) {
  for (int i = 0; i < count; i++)
    if (wanted[i].server == slot.server && wanted[i].queue == slot.queue) return true;
  return false;
}

WorkerSlot* FreeSlot() {
  for (WorkerSlot& slot : Shared()->workers)
    if (!OidIsValid(slot.database)) return &slot;
  return nullptr;
}

void TakeSlot(const Wanted& wanted) {
  WorkerSlot* slot = FreeSlot();
  if (slot == nullptr) return;
  slot->server = wanted.server;
  slot->queue = wanted.queue;
  slot->wanted = true;
  Shared()->slots_taken =
      Max(Shared()->slots_taken, static_cast<int>(slot - Shared()->workers) + 1);
  slot->pid = 0;
  slot->process_number = -1;
  slot->next_start = slot->started_at = 0;
  slot->backoff_us = 0;
  slot->node_count = 0;
  strlcpy(slot->state, "starting", sizeof slot->state);
  pg_write_barrier();
  slot->database = MyDatabaseId;
}

void Reconcile(const Wanted* wanted, int count) {
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  for (WorkerSlot& slot : Shared()->workers) {
    if (slot.database != MyDatabaseId) continue;
    const bool keep = IsWanted(slot, wanted, count);
    if (keep && !slot.wanted) slot.next_start = 0;
    slot.wanted = keep;
  }
  for (int i = 0; i < count; i++) {
    bool known = false;
    for (const WorkerSlot& slot : Shared()->workers)
      known |= slot.database == MyDatabaseId && slot.server == wanted[i].server &&
               slot.queue == wanted[i].queue;
    if (!known) TakeSlot(wanted[i]);
  }
  LWLockRelease(Shared()->lock);
  WakeWorkersOf(MyDatabaseId);  // those that are to leave
}

}  // namespace
}  // namespace polyglot::pg

void polyglot_probe_main(Datum argument) {
  using namespace polyglot::pg;
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);
  pgstat_report_appname(kProbeType);
  Wanted wanted[kMaxWorkers];
  StartTransactionCommand();
  SPI_connect();
  PushActiveSnapshot(GetTransactionSnapshot());
  const int count = ReadWanted(wanted);
  PopActiveSnapshot();
  SPI_finish();
  CommitTransactionCommand();
  Reconcile(wanted, count);
  WakeLauncher();
  proc_exit(0);
}
