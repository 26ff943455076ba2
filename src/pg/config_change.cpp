// Tells launcher and workers at commit that definitions, servers or user mappings have changed.

#include "pg/catalog.h"
#include "pg/shared_state.h"

namespace polyglot::pg {

namespace {

bool change_pending = false;
bool committed = false;
bool callback_registered = false;

void Publish() {
  SharedState* shared = Shared();
  if (!shared) return;
  pg_atomic_fetch_add_u64(&shared->config_generation, 1);
  MarkDatabaseDirty(MyDatabaseId);
  WakeLauncher();
  WakeWorkersOf(MyDatabaseId);
}

extern "C" void polyglot_config_transaction_end(XactEvent event, void*) {
  if (!change_pending) return;
  switch (event) {
    case XACT_EVENT_COMMIT:
      change_pending = false;
      committed = true;
      // While the locks are held: whoever sees an event of a new sync sees that it must be loaded.
      if (Shared()) pg_atomic_fetch_add_u64(&Shared()->config_generation, 1);
      break;
    case XACT_EVENT_ABORT:
      change_pending = false;
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
}

}  // namespace

void AnnounceConfigChange() {
  if (!callback_registered) {
    RegisterXactCallback(polyglot_config_transaction_end, nullptr);
    RegisterResourceReleaseCallback(polyglot_config_resources_released, nullptr);
    callback_registered = true;
  }
  change_pending = true;
}

}  // namespace polyglot::pg
