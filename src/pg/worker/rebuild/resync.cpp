#include "pg/worker/rebuild/resync.h"

#include <utility>

#include "core/search/point_in_time.h"
#include "pg/clock.h"
#include "pg/worker/search/search_api.h"
#include "pg/worker/state/fill.h"
#include "pg/worker/state/submit.h"
#include "pg/worker/state/withdraw.h"

namespace polyglot::pg {
namespace {

using Step = ResyncState::Step;

constexpr std::size_t kHitsPerPage = 1000;
constexpr core::Time kRetry{1'000'000};

// An answer belongs to the walk that asked for it, if the sync and its resync are still the same.
template <typename F>
auto ForWalk(WorkerContext* context, SyncRuntime* sync, F handle) {
  const std::int32_t id = sync->id;
  const std::uint64_t generation = sync->resync.generation;
  sync->resync.request_active = true;
  return [context, id, generation, handle](const auto& answer) {
    SyncRuntime* now = context->Find(id);
    if (now == nullptr || now->resync.generation != generation) return;
    now->resync.request_active = false;
    handle(context, now, answer);
  };
}

// The walk begins anew, a little later.
void Restart(SyncRuntime* sync, core::Time now) {
  sync->resync.step = Step::kDrain;
  sync->resync.pit.clear();
  sync->resync.retry_at = now + kRetry;
}

void Refresh(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  sync->resync.walk_started = now;
  sync->resync.walk++;
  RefreshIndex(sync->channel, *sync->index.physical, now,
               ForWalk(context, sync, [](WorkerContext*, SyncRuntime* s, const Answer<Done>& done) {
                 if (done)
                   s->resync.step = Step::kOpen;
                 else
                   Restart(s, MonotonicNow());
               }));
}

void Open(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  OpenPointInTime(
      sync->channel, *sync->index.physical, now,
      ForWalk(context, sync, [](WorkerContext*, SyncRuntime* s, const Answer<std::string>& pit) {
        if (!pit) return Restart(s, MonotonicNow());
        s->resync.pit = *pit.value;
        s->resync.search_after.clear();
        s->resync.step = Step::kWalk;
      }));
}

void DeleteHit(WorkerContext* context, SyncRuntime* sync, const core::Hit& hit) {
  if (hit.version > sync->resync.version) return;
  core::Operation op;
  op.sync = sync->id;
  op.kind = core::OperationKind::kDelete;
  op.version = sync->resync.version;
  op.index = sync->index.physical;
  op.id = hit.id;
  op.routing = hit.routing;
  op.tickets.walk = sync->resync.walk;
  SubmitOperation(context, sync, std::move(op));
}

void TakePage(WorkerContext* context, SyncRuntime* sync, const Answer<core::WalkPage>& page) {
  ResyncState& resync = sync->resync;
  if (page.response.reply.answer_cut &&
      resync.hits_per_page > 1) {  // routings may be of any length
    resync.hits_per_page /= 2;
    return;
  }
  if (!page) return Restart(sync, MonotonicNow());
  resync.hits_per_page = std::min(kHitsPerPage, 2 * resync.hits_per_page);
  const core::WalkPage& walked = *page.value;
  if (!walked.pit_id.empty()) sync->resync.pit = walked.pit_id;
  sync->resync.search_after = walked.search_after;
  for (const core::Hit& hit : walked.hits) DeleteHit(context, sync, hit);
  if (walked.hits.empty()) sync->resync.step = Step::kSettle;
}

void Walk(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  if (!sync->channel->delivery().HasRoom(sync->id)) return;
  const ResyncState& resync = sync->resync;
  NextPage(sync->channel,
           {.pit = resync.pit, .search_after = resync.search_after, .hits = resync.hits_per_page},
           0, now, ForWalk(context, sync, TakePage));
}

void Close(const WorkerContext& context, SyncRuntime* sync, core::Time now) {
  ClosePointInTime(sync->channel, sync->resync.pit, now);
  sync->resync.pit.clear();
  if (!sync->resync.walk_done_once) {
    sync->resync.walk_done_once = true;
    StartBackfill(sync);
  }
  // A request of a worker that died may still land, in an index that it knew.
  const core::Time safe =
      sync->index.created_here ? core::Time{0} : context.started_at + context.request_timeout;
  if (sync->resync.walk_started >= safe) {
    sync->resync.step = Step::kNone;
    sync->resync.ended = true;
  } else {
    sync->resync.step = Step::kDrain;
    sync->resync.retry_at = safe;
  }
}

void Advance(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  ResyncState& resync = sync->resync;
  if (resync.request_active || now < resync.retry_at) return;
  switch (resync.step) {
    case Step::kNone:
      break;
    case Step::kDrain:
      ReadOlderAgain(context, sync, resync.version);
      if (!context->AnyInFlight(sync->id, resync.version)) resync.step = Step::kRefresh;
      break;
    case Step::kRefresh:
      Refresh(context, sync, now);
      break;
    case Step::kOpen:
      Open(context, sync, now);
      break;
    case Step::kWalk:
      Walk(context, sync, now);
      break;
    case Step::kSettle:
      if (context->settlement.SettledWalk(sync->id, resync.walk) == resync.walk)
        resync.step = Step::kClose;
      break;
    case Step::kClose:
      Close(*context, sync, now);
      break;
  }
}

}  // namespace

void AdvanceResyncs(WorkerContext* context, core::Time now) {
  for (SyncRuntime* sync : context->Awake()) {
    if (sync->resync.step == Step::kNone || !sync->Sends()) continue;
    if (sync->index.step != IndexStep::kReady) continue;  // a missing index is created anew first
    Step before;
    do {
      before = sync->resync.step;
      Advance(context, sync, now);
    } while (sync->resync.step != before && sync->resync.step != Step::kNone);
  }
}

}  // namespace polyglot::pg
