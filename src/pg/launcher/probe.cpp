// The probe: a transient process that looks into one database and tells the launcher, through
// shared memory, which servers need a worker there. It exits at once.

#include "pg/catalog/instance.h"
#include "pg/catalog/own_relations.h"
#include "pg/catalog/wanted_workers.h"
#include "pg/launcher/launcher.h"
#include "pg/launcher/pinned_settings.h"
#include "pg/server/server_names.h"
#include "pg/shared/shared_state.h"
#include "pg/shared/sync_slots.h"
#include "pg/shared/worker_slots.h"

extern "C" {
PGDLLEXPORT void polyglot_probe_main(Datum argument);
}

namespace polyglot::pg {
namespace {

using Wanted = WantedWorker;
using Ids = SyncNumbers;

// What ALTER DATABASE may have set. A lock that somebody holds for long must not keep the launcher
// from the other databases: it comes again.
constexpr PinnedSetting kPinned[] = {{"search_path", "pg_catalog, pg_temp"},
                                     {"lock_timeout", "5s"},
                                     {"default_transaction_isolation", "read committed"},
                                     {"default_transaction_deferrable", "off"},
                                     {"synchronous_commit", "local"},
                                     {"transaction_timeout", "0"}};  // 17 and later

// DROP EXTENSION takes this lock before any other of ours: what is found under it stays.
void LockExtension() {
  const Oid extension = OurExtension();
  if (OidIsValid(extension)) LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
}

int ReadWanted(Wanted* wanted) {
  if (!ExtensionExists()) return 0;
  ResolveServers();
  PopActiveSnapshot();
  PushActiveSnapshot(GetTransactionSnapshot());  // sees that
  if (!WorkersEnabled()) return 0;
  return LoadWantedWorkers(wanted, kMaxWorkers);
}

// Also where workers are stopped: their syncs are still there.
Ids ReadSyncs(MemoryContext context) {
  if (!ExtensionExists()) return {nullptr, 0};
  return LoadSyncNumbers(context);
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

// The launcher looks again when one becomes free.
void ReportNoSlot() {
  if (Shared()->workers_refused) return;
  Shared()->workers_refused = true;
  ereport(LOG, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                errmsg("polyglot_sync has no room for a worker more"),
                errdetail("A cluster has at most %d, one for each pair of database and server.",
                          kMaxWorkers),
                errhint("Let more syncs share a server, or drop servers without need.")));
}

void TakeSlot(const Wanted& wanted) {
  WorkerSlot* slot = FreeSlot();
  if (slot == nullptr) return ReportNoSlot();
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
  PinSettings(kPinned);
  Wanted wanted[kMaxWorkers];
  StartTransactionCommand();
  SPI_connect();
  LockExtension();
  PushActiveSnapshot(GetTransactionSnapshot());
  const int count = ReadWanted(wanted);
  const Ids syncs = ReadSyncs(TopMemoryContext);
  PopActiveSnapshot();
  SPI_finish();
  CommitTransactionCommand();
  Reconcile(wanted, count);
  ReleaseSyncSlotsExcept(MyDatabaseId, syncs.values, syncs.count);
  pg_atomic_write_u32(&Shared()->probed_database, MyDatabaseId);
  WakeLauncher();
  proc_exit(0);
}
