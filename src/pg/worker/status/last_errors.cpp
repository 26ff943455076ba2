#include "pg/worker/status/last_errors.h"

#include <string>
#include <vector>

#include "pg/catalog/sync_state.h"
#include "pg/worker/state/stored_state.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kLook{1'000'000}, kAgain{60'000'000};
constexpr std::size_t kAtOnce = 100;

struct LastError {
  SyncRuntime* sync;
  std::string text;
  std::int64_t at;
};

bool IsDue(const SyncRuntime& sync, core::Time now) {
  return sync.slot != nullptr && !sync.IsBuilding() && sync.slot->last_error[0] != '\0' &&
         sync.slot->last_error_at > sync.error_stored && now >= sync.error_store_at &&
         now >= sync.store_at;
}

std::vector<LastError> ThoseDue(WorkerContext* context, core::Time now) {
  std::vector<LastError> due;
  LWLockAcquire(Shared()->lock, LW_SHARED);
  for (auto& [id, sync] : context->syncs)
    if (due.size() < kAtOnce && IsDue(*sync, now)) due.push_back({sync.get(), "", 0});
  LWLockRelease(Shared()->lock);
  // Only this process writes them.
  for (LastError& error : due) {
    error.text = error.sync->slot->last_error;
    error.at = error.sync->slot->last_error_at;
  }
  return due;
}

}  // namespace

void StoreLastErrors(WorkerContext* context, core::Time now) {
  core::Time& looked_at = context->moments.errors_looked;
  if (now - looked_at < kLook) return;
  looked_at = now;
  const std::vector<LastError> due = ThoseDue(context, now);
  if (due.empty()) return;
  InTransaction([&] {
    for (const LastError& error : due) {
      if (!LockState(error.sync)) continue;
      StoreLastError(error.sync->id, error.text.c_str(), error.at);
      error.sync->error_stored = error.at;
      error.sync->error_store_at = now + kAgain;
    }
  });
}

}  // namespace polyglot::pg
