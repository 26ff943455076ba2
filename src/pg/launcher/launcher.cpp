#include "pg/launcher/launcher.h"

#include "pg/catalog/sync_row.h"
#include "pg/settings.h"
#include "pg/shared/shared_state.h"
#include "pg/shared/sync_slots.h"
#include "pg/shared/worker_slots.h"

extern "C" {
PGDLLEXPORT void polyglot_launcher_main(Datum argument);
}

namespace polyglot::pg {
namespace {

constexpr int64 kHealthyAfter = 60 * USECS_PER_SEC;  // a worker that lived this long begins anew
constexpr int64 kLongestDelay = 60 * USECS_PER_SEC;
constexpr int kLookInterval = 10'000;             // ms; for databases that have come to life
constexpr int64 kProbeDelay = 5 * USECS_PER_SEC;  // after one that failed; doubled each time

// Process-local knowledge of what this launcher started; shared memory holds only what others need.
struct Started {
  BackgroundWorkerHandle* handle;
  bool running;
  uint64 config_generation;  // when it was started
};
Started started[kMaxWorkers];

struct Probe {
  Oid database;
  TimestampTz due;
  int64 delay_us;  // before `due`; 0: it has not failed
};

struct Probes {
  Probe* waiting;
  int count, capacity;
  Probe current;
  BackgroundWorkerHandle* handle;  // nullptr: none is running
};
Probes probes;
bool slots_exhausted_reported = false;

void FillWorker(BackgroundWorker* worker, const char* function, const char* type, Datum argument) {
  memset(worker, 0, sizeof *worker);
  worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker->bgw_restart_time = BGW_NEVER_RESTART;
  strlcpy(worker->bgw_library_name, "polyglot_sync", BGW_MAXLEN);
  strlcpy(worker->bgw_function_name, function, BGW_MAXLEN);
  strlcpy(worker->bgw_type, type, BGW_MAXLEN);
  strlcpy(worker->bgw_name, type, BGW_MAXLEN);
  worker->bgw_main_arg = argument;
  worker->bgw_notify_pid = MyProcPid;
}

void ReportExhaustion() {
  Shared()->processes_refused = true;
  if (slots_exhausted_reported) return;
  slots_exhausted_reported = true;
  int wanted = 2;  // the launcher and a probe
  for (const WorkerSlot& slot : Shared()->workers) wanted += OidIsValid(slot.database) ? 1 : 0;
  ereport(LOG, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                errmsg("no free background worker slot for polyglot_sync"),
                errhint("polyglot_sync alone needs %d; raise max_worker_processes (now %d).",
                        wanted, max_worker_processes)));
}

void QueueProbe(const Probe& probe) {
  for (int i = 0; i < probes.count; i++)
    if (probes.waiting[i].database == probe.database) {
      probes.waiting[i].due = Min(probes.waiting[i].due, probe.due);
      return;
    }
  if (probes.count == probes.capacity) {
    probes.capacity = probes.capacity == 0 ? 64 : probes.capacity * 2;
    const Size bytes = sizeof(Probe) * static_cast<Size>(probes.capacity);
    probes.waiting =
        static_cast<Probe*>(probes.waiting == nullptr ? MemoryContextAlloc(TopMemoryContext, bytes)
                                                      : repalloc(probes.waiting, bytes));
  }
  probes.waiting[probes.count++] = probe;
}

void QueueProbe(Oid database) { QueueProbe({database, 0, 0}); }

// It met an error or a lock held for long, was ended, or could not be started.
void QueueAgain(Probe probe) {
  probe.delay_us = probe.delay_us == 0 ? kProbeDelay : Min(probe.delay_us * 2, kLongestDelay);
  probe.due = GetCurrentTimestamp() + probe.delay_us;
  QueueProbe(probe);
}

// A database that is gone, or lets nobody in, keeps no worker.
void ForgetDatabase(Oid database) {
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  for (WorkerSlot& slot : Shared()->workers)
    if (slot.database == database) slot.wanted = false;
  LWLockRelease(Shared()->lock);
  ReleaseSyncSlotsExcept(database, nullptr, 0);
}

// Nobody tells of DROP DATABASE where no worker was running.
void ForgetDroppedDatabases() {
  for (int i = 0; i < Shared()->sync_slots; i++) {
    const Oid database = Shared()->syncs[i].database;
    if (OidIsValid(database) && !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database)))
      ForgetDatabase(database);
  }
}

// Databases that let processes in, as of the last look at pg_database. Nobody tells of CREATE
// DATABASE … TEMPLATE, ALLOW_CONNECTIONS and IS_TEMPLATE, which bring syncs to life.
struct OpenDatabases {
  Oid* oids;
  int count, capacity;
};
OpenDatabases open_databases;

bool WasOpen(const OpenDatabases& databases, Oid database) {
  for (int i = 0; i < databases.count; i++)
    if (databases.oids[i] == database) return true;
  return false;
}

void AddOpen(OpenDatabases* databases, Oid database) {
  if (databases->count == databases->capacity) {
    databases->capacity = Max(64, databases->capacity * 2);
    const Size bytes = sizeof(Oid) * static_cast<Size>(databases->capacity);
    databases->oids =
        static_cast<Oid*>(databases->oids == nullptr ? MemoryContextAlloc(TopMemoryContext, bytes)
                                                     : repalloc(databases->oids, bytes));
  }
  databases->oids[databases->count++] = database;
}

// Queues a probe for each database that was not open the last time.
void LookForOpenDatabases() {
  static OpenDatabases before;
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
  Relation rel = table_open(DatabaseRelationId, AccessShareLock);
  TableScanDesc scan = table_beginscan_catalog(rel, 0, nullptr);
  const OpenDatabases spare = before;
  before = open_databases;
  open_databases = spare;
  open_databases.count = 0;
  while (HeapTuple tuple = heap_getnext(scan, ForwardScanDirection)) {
    auto* form = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
    if (!form->datallowconn || form->datistemplate) continue;
    AddOpen(&open_databases, form->oid);
    if (!WasOpen(before, form->oid)) QueueProbe(form->oid);
  }
  table_endscan(scan);
  table_close(rel, AccessShareLock);
  PopActiveSnapshot();
  CommitTransactionCommand();
  MemoryContextSwitchTo(TopMemoryContext);
}

// Every so often, and when the configuration is reloaded.
void LookForOpenDatabases(bool now) {
  static TimestampTz looked_at = 0;
  if (!now && !TimestampDifferenceExceeds(looked_at, GetCurrentTimestamp(), kLookInterval)) return;
  looked_at = GetCurrentTimestamp();
  LookForOpenDatabases();
}

// Reads pg_database; queues a probe for each database in `only` (nullptr: for every one).
void QueueDatabases(const Oid* only, int count) {
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
  Relation rel = table_open(DatabaseRelationId, AccessShareLock);
  TableScanDesc scan = table_beginscan_catalog(rel, 0, nullptr);
  bool found[64] = {};
  MemoryContext transaction = CurrentMemoryContext;
  while (HeapTuple tuple = heap_getnext(scan, ForwardScanDirection)) {
    auto* form = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
    bool wanted = only == nullptr;
    for (int i = 0; i < count; i++)
      if (only[i] == form->oid) wanted = found[i] = true;
    if (wanted && form->datallowconn && !form->datistemplate) QueueProbe(form->oid);
    if (wanted && !form->datallowconn) ForgetDatabase(form->oid);
  }
  table_endscan(scan);
  table_close(rel, AccessShareLock);
  PopActiveSnapshot();
  if (only == nullptr) ForgetDroppedDatabases();
  CommitTransactionCommand();
  MemoryContextSwitchTo(transaction);
  MemoryContextSwitchTo(TopMemoryContext);
  for (int i = 0; i < count; i++)
    if (!found[i]) ForgetDatabase(only[i]);
}

void CollectWork() {
  SharedState* shared = Shared();
  if (pg_atomic_exchange_u32(&shared->probe_all, 0) != 0) QueueDatabases(nullptr, 0);
  Oid dirty[lengthof(shared->dirty_databases)];
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  const int count = shared->dirty_count;
  memcpy(dirty, shared->dirty_databases, sizeof(Oid) * static_cast<Size>(count));
  shared->dirty_count = 0;
  LWLockRelease(shared->lock);
  if (count > 0) QueueDatabases(dirty, count);
}

enum class Access { kOpen, kClosed, kLocked };

// Could a process connect now? DROP DATABASE holds the lock while it ends everybody in there; a
// probe that came too late would leave a FATAL in the log.
Access AccessTo(Oid database) {
  StartTransactionCommand();
  LOCKTAG tag;
  SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
  Access access = Access::kLocked;
  if (LockAcquire(&tag, RowExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL) {
    AcceptInvalidationMessages();
    HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
    const bool open = HeapTupleIsValid(tuple) &&
                      reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple))->datallowconn;
    if (HeapTupleIsValid(tuple)) ReleaseSysCache(tuple);
    access = open ? Access::kOpen : Access::kClosed;
  }
  CommitTransactionCommand();
  MemoryContextSwitchTo(TopMemoryContext);
  return access;
}

// The next database to look into; those that are locked stay for later.
bool TakeProbe(Probe* probe) {
  const TimestampTz now = GetCurrentTimestamp();
  for (int i = probes.count - 1; i >= 0; i--) {
    *probe = probes.waiting[i];
    if (probe->due > now) continue;
    const Access access = AccessTo(probe->database);
    if (access == Access::kLocked) continue;
    probes.waiting[i] = probes.waiting[--probes.count];
    if (access == Access::kOpen) return true;
    ForgetDatabase(probe->database);
  }
  return false;
}

// One probe at a time: at the start of a cluster with many databases nobody is crowded out.
bool AdvanceProbes() {
  if (probes.handle != nullptr) {
    pid_t pid;
    if (GetBackgroundWorkerPid(probes.handle, &pid) != BGWH_STOPPED) return true;
    pfree(probes.handle);
    probes.handle = nullptr;
    if (pg_atomic_read_u32(&Shared()->probed_database) != probes.current.database)
      QueueAgain(probes.current);
  }
  if (!TakeProbe(&probes.current)) return false;
  const Oid database = probes.current.database;
  pg_atomic_write_u32(&Shared()->probed_database, InvalidOid);
  BackgroundWorker worker;
  FillWorker(&worker, "polyglot_probe_main", kProbeType, ObjectIdGetDatum(database));
  if (!RegisterDynamicBackgroundWorker(&worker, &probes.handle)) {
    probes.handle = nullptr;
    QueueProbe(database);
    ReportExhaustion();
    return false;
  }
  Shared()->processes_refused = false;
  return true;
}

uint64 ConfigGeneration() { return pg_atomic_read_u64(&Shared()->config_generation); }

void StartWorker(int index) {
  WorkerSlot* slot = &Shared()->workers[index];
  BackgroundWorker worker;
  FillWorker(&worker, "polyglot_worker_main", kWorkerType, Int32GetDatum(index));
  snprintf(worker.bgw_name, BGW_MAXLEN, "%s for database %u, server %u", kWorkerType,
           slot->database, slot->server);
  const TimestampTz now = GetCurrentTimestamp();
  slot->started_at = now;
  if (!RegisterDynamicBackgroundWorker(&worker, &started[index].handle)) {
    ReportExhaustion();
    slot->next_start = now + 10 * USECS_PER_SEC;
    return;
  }
  slots_exhausted_reported = false;
  Shared()->processes_refused = false;
  started[index].running = true;
  started[index].config_generation = ConfigGeneration();
}

void WorkerEnded(int index) {
  WorkerSlot* slot = &Shared()->workers[index];
  pfree(started[index].handle);
  started[index].handle = nullptr;
  started[index].running = false;
  const TimestampTz now = GetCurrentTimestamp();
  // It had nothing to do. Where nothing has changed since a probe found work for it, the two do not
  // agree, and would go on so for ever.
  const bool left = slot->healthy_since >= slot->started_at;
  const bool in_vain = slot->wanted && started[index].config_generation == ConfigGeneration();
  if (left && !in_vain) {
    slot->next_start = now;
    slot->backoff_us = 0;
    // Started again only when a probe finds work: it would leave at once. The probe also releases
    // what syncs that ended have left behind.
    QueueProbe(slot->database);
    slot->wanted = false;
    return;
  }
  const int64 shortest = settings.worker_restart_min_s * USECS_PER_SEC;
  if (slot->backoff_us == 0 || now - slot->started_at >= kHealthyAfter) slot->backoff_us = shortest;
  slot->next_start = now + slot->backoff_us;
  slot->backoff_us = Min(slot->backoff_us * 2, kLongestDelay);
  // A worker that failed may have met something that a probe sees: the extension dropped, for one.
  if (slot->wanted) QueueProbe(slot->database);
}

bool HasEnded(int index) {
  pid_t pid;
  return started[index].running &&
         GetBackgroundWorkerPid(started[index].handle, &pid) == BGWH_STOPPED;
}

void FreeWorkerSlot(WorkerSlot* slot) {
  slot->database = InvalidOid;
  if (!Shared()->workers_refused) return;
  Shared()->workers_refused = false;
  pg_atomic_write_u32(&Shared()->probe_all, 1);
  WakeLauncher();
}

// Starts what is due; returns the time until the next start, in ms.
long ManageWorkers() {
  long wait = kLookInterval;
  for (int i = 0; i < kMaxWorkers; i++) {
    WorkerSlot* slot = &Shared()->workers[i];
    if (HasEnded(i)) WorkerEnded(i);
    if (!OidIsValid(slot->database) || started[i].running) continue;
    if (!slot->wanted) {
      LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
      if (!slot->wanted) FreeWorkerSlot(slot);
      LWLockRelease(Shared()->lock);
      continue;
    }
    const TimestampTz now = GetCurrentTimestamp();
    if (slot->next_start <= now) StartWorker(i);
    if (!started[i].running)
      wait = Min(wait, Max(1L, static_cast<long>((slot->next_start - now) / 1000 + 1)));
  }
  return wait;
}

void LauncherExit(int, Datum) {
  Shared()->launcher_process_number = -1;
  Shared()->launcher_pid = 0;
}

void Announce() {
  before_shmem_exit(LauncherExit, static_cast<Datum>(0));
  Shared()->launcher_pid = MyProcPid;
  Shared()->launcher_started_at = GetCurrentTimestamp();
  pg_write_barrier();
  Shared()->launcher_process_number = MyProcessNumber();
  // Workers of an earlier launcher that still run are theirs no more: they leave, and are started
  // anew.
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  for (WorkerSlot& slot : Shared()->workers)
    if (OidIsValid(slot.database) && slot.pid != 0) kill(slot.pid, SIGTERM);
  LWLockRelease(Shared()->lock);
  pg_atomic_write_u32(&Shared()->probe_all, 1);
}

bool AnyOrphanRuns() {
  for (int i = 0; i < kMaxWorkers; i++)
    if (!started[i].running && Shared()->workers[i].pid != 0) return true;
  return false;
}

}  // namespace

void RegisterLauncher() {
  BackgroundWorker worker;
  FillWorker(&worker, "polyglot_launcher_main", kLauncherType, static_cast<Datum>(0));
  worker.bgw_restart_time = 5;
  worker.bgw_notify_pid = 0;
  RegisterBackgroundWorker(&worker);
}

}  // namespace polyglot::pg

void polyglot_launcher_main(Datum) {
  using namespace polyglot::pg;
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
  pgstat_report_appname(kLauncherType);
  MemoryContextSwitchTo(TopMemoryContext);
  Announce();
  ereport(LOG, (errmsg("polyglot_sync launcher started")));
  static uint32 wait_event = NamedWaitEvent("PolyglotSyncLauncher");
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    const bool reload = ConfigReloadPending != 0;
    if (reload) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
    }
    CollectWork();
    LookForOpenDatabases(reload);
    bool probing = AdvanceProbes();
    long wait = AnyOrphanRuns() ? 100 : ManageWorkers();
    if (!probing && probes.count > 0) wait = Min(wait, 1000L);
    pgstat_report_activity(STATE_IDLE, nullptr);
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait, wait_event);
    ResetLatch(MyLatch);
  }
}
