#include "pg/worker/status/requests.h"

#include <algorithm>

#include "pg/clock.h"
#include "pg/worker/search/search_api.h"
#include "pg/worker/settle/positions.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kRefreshRetry{1'000'000};

void Refresh(WorkerContext* context, SyncRuntime* sync, std::uint64_t wanted, core::Time now) {
  sync->index.refresh_at = core::kNever;  // not again while the answer is under way
  RefreshIndex(sync->channel, *sync->index.physical, now,
               [context, wanted, number = sync->id](const Answer<Done>& done) {
                 SyncRuntime* refreshed = context->Find(number);
                 if (refreshed == nullptr) return;
                 // What was refused may be refused for long: not again at once.
                 refreshed->index.refresh_at = MonotonicNow() + kRefreshRetry;
                 if (!done) return;
                 refreshed->index.refresh_at = core::Time{0};
                 pg_atomic_write_u64(&refreshed->slot->refresh_done, wanted);
                 context->answered = true;
               });
}

}  // namespace

void ServeRefreshes(WorkerContext* context, core::Time now) {
  for (SyncRuntime* sync : context->Awake()) {
    SyncSlot* slot = sync->slot;
    if (slot == nullptr || sync->index.step != IndexStep::kReady || now < sync->index.refresh_at)
      continue;
    const std::uint64_t wanted = pg_atomic_read_u64(&slot->refresh_wanted);
    if (wanted > pg_atomic_read_u64(&slot->refresh_done)) Refresh(context, sync, wanted, now);
  }
}

void ServeSaves(WorkerContext* context, core::Time now) {
  const std::uint64_t wanted = pg_atomic_read_u64(&context->slot->save_wanted);
  if (wanted <= pg_atomic_read_u64(&context->slot->save_done)) return;
  SavePositions(context, now, true);
  pg_atomic_write_u64(&context->slot->save_done, wanted);
  context->answered = true;
}

void ServeRunNow(WorkerContext* context, core::Time now) {
  if (pg_atomic_read_u32(&context->slot->run_now) == 0) return;
  pg_atomic_write_u32(&context->slot->run_now, 0);
  for (auto& channel : context->channels) {
    channel->client().ResetBackoff();
    channel->delivery().ResetBackoff(now);
    channel->configured_at = core::Time{0};
    channel->ProbeAtOnce();
  }
  for (auto& [id, sync] : context->syncs) {
    sync->index.retry_at = std::min(sync->index.retry_at, now);
    sync->blocked_until = core::Time{0};
  }
  context->WakeAll();
}

}  // namespace polyglot::pg
