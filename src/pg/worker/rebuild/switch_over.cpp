#include "pg/worker/rebuild/switch_over.h"

#include "core/search/index_requests.h"
#include "pg/clock.h"
#include "pg/fault_points.h"
#include "pg/worker/search/index_alias.h"
#include "pg/worker/search/index_condition.h"
#include "pg/worker/search/index_owner.h"
#include "pg/worker/state/gate.h"

namespace polyglot::pg {
namespace {

using Step = RebuildState::Step;

constexpr core::Time kRetry{1'000'000};
constexpr core::Time kHold{5'000'000};  // the live generation stands still no longer than that

// Not now: the live generation goes on, and this one catches up again.
void StepBack(WorkerContext* context, SyncRuntime* building, core::Time now) {
  RebuildState& rebuild = building->rebuild;
  rebuild.step = Step::kFill;
  rebuild.caught_up = 0;
  rebuild.retry_at = now + kRetry;
  if (SyncRuntime* live = context->Find(rebuild.builds); live != nullptr && live->held)
    Hold(live, false);
}

void NotUsable(WorkerContext* context, SyncRuntime* building, const net::Response& response) {
  if (response.reply.says_missing) CheckSoon(building);
  StepBack(context, building, MonotonicNow());
}

// One question at a time.
template <typename F>
auto ForBuilding(WorkerContext* context, SyncRuntime* building, F handle) {
  building->rebuild.asking = true;
  return ForSync(context, building, [handle](WorkerContext* c, SyncRuntime* b, const auto& answer) {
    b->rebuild.asking = false;
    handle(c, b, answer);
  });
}

// Nobody searches it before the end, so nothing needs to be visible. Replicas stay as they are: the
// index that searches find next must have them.
void AskSettings(WorkerContext* context, SyncRuntime* building) {
  ReadRefreshSetting(
      building->channel, *building->index.physical, MonotonicNow(),
      ForBuilding(context, building,
                  [](WorkerContext*, SyncRuntime* b, const Answer<std::string>& body) {
                    b->rebuild.step = body ? Step::kRemember : Step::kFill;  // it is only faster
                    if (body) b->rebuild.restore_settings = *body.value;
                  }));
}

void Relax(WorkerContext* context, SyncRuntime* building) {
  PutSettings(
      building->channel, *building->index.physical, R"({"index.refresh_interval":"-1"})",
      MonotonicNow(),
      ForBuilding(context, building, [](WorkerContext*, SyncRuntime* b, const Answer<Done>&) {
        b->rebuild.step = Step::kFill;
      }));
}

void Restore(WorkerContext* context, SyncRuntime* building) {
  PutSettings(building->channel, *building->index.physical, building->rebuild.restore_settings,
              MonotonicNow(),
              ForBuilding(context, building,
                          [](WorkerContext* c, SyncRuntime* b, const Answer<Done>& done) {
                            if (!done) return NotUsable(c, b, done);
                            b->rebuild.restore_settings.clear();
                          }));
}

void Refresh(WorkerContext* context, SyncRuntime* building) {
  RefreshIndex(building->channel, *building->index.physical, MonotonicNow(),
               ForBuilding(context, building,
                           [](WorkerContext* c, SyncRuntime* b, const Answer<Done>& done) {
                             if (!done) return NotUsable(c, b, done);
                             b->rebuild.step = Step::kCount;
                           }));
}

void TakeCount(WorkerContext* context, SyncRuntime* building, const Answer<std::int64_t>& answer) {
  const RebuildState& rebuild = building->rebuild;
  if (!answer) return NotUsable(context, building, answer);
  const std::int64_t count = *answer.value;
  if (count >= rebuild.fewest && count <= rebuild.most) {
    building->rebuild.step = Step::kSwitch;
    return;
  }
  StepBack(context, building, MonotonicNow());
  RefuseIndex(building,
              "index \"" + *building->index.physical + "\" has " + std::to_string(count) +
                  " documents instead of " + std::to_string(rebuild.fewest) +
                  (rebuild.most == rebuild.fewest ? "" : " to " + std::to_string(rebuild.most)),
              "");
}

void Count(WorkerContext* context, SyncRuntime* building) {
  CountDocuments(building->channel, *building->index.physical, MonotonicNow(),
                 ForBuilding(context, building, TakeCount));
}

void TakeSwitched(WorkerContext* context, SyncRuntime* building, const Answer<Done>& done) {
  // Lost or not, the answer may come after the deed: the alias is looked at again.
  if (!done) return NotUsable(context, building, done);
  FaultPoint("alias moved");
  building->rebuild.step = Step::kSwitched;
}

void RefuseHolder(WorkerContext* context, SyncRuntime* building, const Refusal& refusal) {
  building->rebuild.asking = false;
  SyncRuntime* live = context->Find(building->rebuild.builds);
  StepBack(context, building, MonotonicNow());
  RefuseIndex(live, refusal.reason, refusal.hint);
}

void HolderNotTold(WorkerContext* context, SyncRuntime* building, const net::Response& response) {
  building->rebuild.asking = false;
  NotUsable(context, building, response);
}

void PointAlias(WorkerContext* context, SyncRuntime* building, const Answer<Descriptions>& found) {
  if (!found) return NotUsable(context, building, found);
  const core::AliasChange change =
      core::ChangeOfAlias(building->alias, *building->index.physical, *found.value);
  building->rebuild.asking = true;
  CheckHolders(context, building, ReplacedBy(*building, *found.value),
               {.free =
                    [change](WorkerContext* c, SyncRuntime* b) {
                      ChangeAlias(b->channel, change, MonotonicNow(),
                                  ForBuilding(c, b, TakeSwitched));
                      FaultPoint("asked to switch");
                    },
                .refused = RefuseHolder,
                .unavailable = HolderNotTold});
}

void AskHolders(WorkerContext* context, SyncRuntime* building, const Answer<Descriptions>& found) {
  if (!found || !Succeeded(found)) return NotUsable(context, building, found);
  if (found.value->size() != 1 || (*found.value)[0].uuid != building->index.uuid) {
    CheckSoon(building);
    return StepBack(context, building, MonotonicNow());
  }
  DescribeName(building->channel, building->alias, MonotonicNow(),
               ForBuilding(context, building, PointAlias));
}

// Two questions, because a path with a comma is signed otherwise by libcurl than by AWS.
void Switch(WorkerContext* context, SyncRuntime* building) {
  DescribeName(building->channel, *building->index.physical, MonotonicNow(),
               ForBuilding(context, building, AskHolders));
}

bool IsFilled(WorkerContext* context, SyncRuntime* building) {
  RebuildState& rebuild = building->rebuild;
  if (!building->Streaming() || !building->Sends() || building->parked.count.rows > 0 ||
      building->index.step != IndexStep::kReady || building->index.check_before_write) {
    rebuild.caught_up = 0;
    return false;
  }
  if (rebuild.caught_up == 0) rebuild.caught_up = context->scan_number + 1;
  return building->settled_scan >= rebuild.caught_up && building->unconfirmed.empty();
}

// Searches must never see less than before: what the live generation has delivered, and nothing
// newer, is waited for.
void HoldLive(SyncRuntime* live, SyncRuntime* building, core::Time now) {
  building->rebuild.held_scan = live->settled_scan;
  building->rebuild.hold_until = now + kHold;
  building->rebuild.step = Step::kDrain;
  Hold(live, true);
}

bool IsDrained(const WorkerContext& context, const SyncRuntime& live, const SyncRuntime& building) {
  return !context.AnyInFlight(live.id) && building.settled_scan >= building.rebuild.held_scan;
}

}  // namespace

void AdvanceRebuild(WorkerContext* context, SyncRuntime* live, SyncRuntime* building,
                    core::Time now) {
  RebuildState& rebuild = building->rebuild;
  if (rebuild.asking || now < rebuild.retry_at || building->failed || live->failed) return;
  if (rebuild.step > Step::kDrain && rebuild.step < Step::kSwitched && !building->Sends())
    return StepBack(context, building, now);
  switch (rebuild.step) {
    case Step::kPrepare:
      if (building->index.step == IndexStep::kReady) AskSettings(context, building);
      break;
    case Step::kRemember:
      break;  // StoreRebuilds
    case Step::kRelax:
      Relax(context, building);
      break;
    case Step::kFill:
      if (IsFilled(context, building)) rebuild.step = Step::kRestore;
      break;
    case Step::kRestore:
      if (rebuild.restore_settings.empty())
        HoldLive(live, building, now);
      else
        Restore(context, building);
      break;
    case Step::kDrain:
      if (IsDrained(*context, *live, *building))
        rebuild.step = Step::kRefresh;
      else if (now >= rebuild.hold_until)
        StepBack(context, building, now);
      break;
    case Step::kRefresh:
      Refresh(context, building);
      break;
    case Step::kCount:
      Count(context, building);
      break;
    case Step::kSwitch:
      Switch(context, building);
      break;
    case Step::kSwitched:
      if (!live->held) Hold(live, true);
      if (!building->held) Hold(building, true);
      if (!context->AnyInFlight(live->id) && !context->AnyInFlight(building->id) &&
          building->unconfirmed.confirmed.empty())
        rebuild.step = Step::kDone;
      break;
    case Step::kDone:
      break;
  }
}

}  // namespace polyglot::pg
