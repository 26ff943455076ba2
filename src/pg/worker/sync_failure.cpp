#include "pg/worker/sync_failure.h"

#include "pg/encoding.h"
#include "pg/worker/rebuild.h"
#include "pg/worker/sync_state.h"

namespace polyglot::pg {

void Postpone(SyncRuntime* sync) {
  constexpr core::Time kRetry{500'000};
  sync->read_at = MonotonicNow() + kRetry;
}

void FailSync(WorkerContext* context, SyncRuntime* sync, const char* reason, const char* hint) {
  if (sync->failed) return;
  sync->failed = true;
  if (sync->IsBuilding())
    return RebuildFailed(context, *sync,
                         hint[0] == '\0' ? reason : psprintf("%s; hint: %s", reason, hint));
  StoreFailed(sync->id, reason, hint[0] == '\0' ? nullptr : hint);
  SetSyncError(sync->slot, reason);
  ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" has failed: %s", sync->name.c_str(),
                       ReadableInServer(reason)),
                hint[0] == '\0' ? 0 : errhint("%s", ReadableInServer(hint))));
}

void FailSync(WorkerContext* context, SyncRuntime* sync, const PgError& error) {
  FailSync(context, sync, ReadableInUtf8(error.message).c_str(),
           ReadableInUtf8(error.hint).c_str());
}

}  // namespace polyglot::pg
