// polyglot.stop_workers, start_workers, version.

#include <csignal>

#include "pg/catalog/change_announcement.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/shared/shared_state.h"
#include "pg/shared/worker_slots.h"
#include "pg/sql/visibility.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_stop_workers);
PG_FUNCTION_INFO_V1(polyglot_start_workers);
PG_FUNCTION_INFO_V1(polyglot_version);
PGDLLEXPORT Datum polyglot_stop_workers(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_start_workers(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_version(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

constexpr int kLongestStopMs = 10000;
constexpr int kLeaveMs = 1000;  // a worker leaves by itself, unless it runs a long query

bool look_again = false;
bool callback_registered = false;

// The launcher looks at the database again however the transaction ends: after a ROLLBACK of
// stop_workers the workers come back.
extern "C" void polyglot_stop_transaction_end(XactEvent event, void*) {
  if (!look_again || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)) return;
  look_again = false;
  MarkDatabaseDirty(MyDatabaseId);
  WakeLauncher();
}

void LookAgainAtEnd() {
  if (!callback_registered) {
    RegisterXactCallback(polyglot_stop_transaction_end, nullptr);
    callback_registered = true;
  }
  look_again = Shared() != nullptr;
}

void StoreEnabled(bool enabled) {
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute("UPDATE polyglot.instance SET workers_enabled = $1::boolean",
          {enabled ? "true" : "false"});
  SPI_finish();
  CommandCounterIncrement();
}

// How many workers of this database are still there. The launcher must not restart them: it looks
// at `wanted`.
int SignalWorkers(bool insist) {
  SharedState* shared = Shared();
  int running = 0;
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  for (WorkerSlot& worker : shared->workers) {
    if (worker.database != MyDatabaseId) continue;
    worker.wanted = false;
    if (worker.pid == 0) continue;
    ++running;
    if (insist) (void)kill(worker.pid, SIGTERM);
  }
  LWLockRelease(shared->lock);
  if (!insist) WakeWorkersOf(MyDatabaseId);
  return running;
}

void StopRunning() {
  for (int waited = 0; SignalWorkers(waited >= kLeaveMs) > 0; waited += 50) {
    if (waited >= kLongestStopMs)
      ereport(ERROR,
              (errcode(ERRCODE_OBJECT_IN_USE),
               errmsg("workers of this database did not stop within %d s", kLongestStopMs / 1000),
               errhint("The view polyglot.workers names them.")));
    CHECK_FOR_INTERRUPTS();
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50,
                    PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_stop_workers(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  (void)fcinfo;
  CheckMayControl("polyglot.stop_workers()");
  StoreEnabled(false);
  LookAgainAtEnd();
  AnnounceConfigChange();
  if (Shared()) StopRunning();
  PG_RETURN_VOID();
}

Datum polyglot_start_workers(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  (void)fcinfo;
  CheckMayControl("polyglot.start_workers()");
  StoreEnabled(true);
  AnnounceConfigChange();
  PG_RETURN_VOID();
}

Datum polyglot_version(PG_FUNCTION_ARGS) {
  (void)fcinfo;
  PG_RETURN_TEXT_P(cstring_to_text(POLYGLOT_VERSION));
}
