// Tells launcher and workers at commit that definitions, servers or user mappings have changed.
//
// A transaction is visible to others a moment before its callbacks run, and its own events with it:
// a worker that reads the queue in that moment must not take them for nobody's. So each such commit
// is counted in shared memory from before it is visible until the generation has risen for the last
// time; meanwhile workers look whether they know all syncs that they see (DefinitionsChanged).

#include "pg/catalog/change_announcement.h"

#include "pg/fault_points.h"
#include "pg/shared/shared_state.h"
#include "pg/shared/worker_slots.h"

namespace polyglot::pg {

namespace {

bool change_pending = false;
bool committed = false;
bool counted = false;  // by us, in changes_committing
bool callback_registered = false;

void RaiseGeneration() {
  if (Shared()) pg_atomic_fetch_add_u64(&Shared()->config_generation, 1);
}

void BeginCommit() {
  if (counted || !Shared()) return;
  pg_atomic_fetch_add_u32(&Shared()->changes_committing, 1);
  counted = true;
}

// Whatever has become of it: the definitions are read once more than need be at worst.
void EndCommit() {
  if (!counted) return;
  RaiseGeneration();
  pg_atomic_fetch_sub_u32(&Shared()->changes_committing, 1);
  counted = false;
}

// Should the transaction not be ended before the process is.
extern "C" void polyglot_config_process_end(int, Datum) { EndCommit(); }

void Publish() {
  if (!Shared()) return;
  RaiseGeneration();
  MarkDatabaseDirty(MyDatabaseId);
  WakeLauncher();
  WakeWorkersOf(MyDatabaseId);
}

extern "C" void polyglot_config_transaction_end(XactEvent event, void*) {
  if (!change_pending) return;
  switch (event) {
    case XACT_EVENT_PRE_COMMIT:
      BeginCommit();
      break;
    case XACT_EVENT_COMMIT:
      FaultPause("definitions committed");
      change_pending = false;
      committed = true;
      // While the locks are held: whoever sees an event of a new sync sees that it must be loaded.
      RaiseGeneration();
      break;
    case XACT_EVENT_ABORT:
      change_pending = false;
      EndCommit();
      break;
    case XACT_EVENT_PRE_PREPARE:
      // Whoever runs COMMIT PREPARED knows nothing of us, so nobody would be told.
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("cannot PREPARE a transaction that has changed a sync or its source"),
                      errhint("Use COMMIT.")));
      break;
    default:
      break;
  }
}

// Commit callbacks run before the invalidation messages are sent: who was told there would look
// into stale caches, and not look again. Locks are released after them.
extern "C" void polyglot_config_resources_released(ResourceReleasePhase phase, bool, bool is_top,
                                                   void*) {
  if (!committed || !is_top || phase != RESOURCE_RELEASE_AFTER_LOCKS) return;
  committed = false;
  Publish();
  EndCommit();
}

}  // namespace

void AnnounceConfigChange() {
  if (!callback_registered) {
    RegisterXactCallback(polyglot_config_transaction_end, nullptr);
    RegisterResourceReleaseCallback(polyglot_config_resources_released, nullptr);
    before_shmem_exit(polyglot_config_process_end, 0);
    callback_registered = true;
  }
  change_pending = true;
}

}  // namespace polyglot::pg
