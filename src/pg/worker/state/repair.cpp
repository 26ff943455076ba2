#include "pg/worker/state/repair.h"

#include "pg/catalog/sync_state.h"
#include "pg/clock.h"

namespace polyglot::pg {

void RequestRepair(const WorkerContext& context, SyncRuntime* sync, const char* reason) {
  StoreRepair(sync->id, reason);
  ContinueRepair(context, sync, reason, GetCurrentTimestamp());
  ereport(LOG, (errmsg("polyglot_sync: index and table of sync \"%s\" will be compared: %s",
                       sync->name.c_str(), reason)));
}

void ContinueRepair(const WorkerContext& context, SyncRuntime* sync, const char* reason,
                    std::int64_t since) {
  sync->repair.reason = reason;
  sync->repair.since = since;
  sync->repair.begin_at = MonotonicNow() + core::kLeaseRenewal + context.request_timeout;
}

}  // namespace polyglot::pg
