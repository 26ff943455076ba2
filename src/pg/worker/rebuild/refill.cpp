#include "pg/worker/rebuild/refill.h"

#include "pg/clock.h"
#include "pg/worker/state/generations.h"
#include "pg/worker/state/read_lock.h"

namespace polyglot::pg {
namespace {

constexpr char kReason[] = "more than a fifth of its rows changed while it could not write";
// A row of a backfill costs about 2 µs here, a parked key 9 to 20.
constexpr std::uint64_t kShare = 5;
// Fewer are drained in a second or so. An index, its alias and its files twice are not worth that.
constexpr std::uint64_t kFewKeys = 50'000;

// One whose first filling is not over would lose what was filled; and where filling is slowed down,
// draining, which is not, comes to its end sooner.
bool MayRefill(const SyncRuntime& sync) {
  return sync.managed && !sync.IsBuilding() && !sync.backfill.running &&
         !sync.backfill_rate.limited() && !sync.index.alias_pending && sync.resync_wanted.empty() &&
         sync.resync.step == ResyncState::Step::kNone && sync.parked.count.rows >= kFewKeys;
}

// false: not now, somebody is at work on the table.
bool IsCheaper(SyncRuntime* sync, bool* cheaper) {
  if (MonotonicNow() < sync->read_at) return false;
  bool locked = false;
  std::int64_t rows = 0;
  InTransaction([&] {
    if ((locked = LockSource(sync))) rows = sync->reader->EstimateRows();
  });
  // 0: unknown, of a view or a foreign table.
  *cheaper = rows > 0 && sync->parked.count.rows > static_cast<std::uint64_t>(rows) / kShare;
  return locked;
}

void Begin(WorkerContext* context, SyncRuntime* sync) {
  if (BuildingOf(context, *sync) == nullptr && sync->live.wanted.reason.empty())
    WantRebuild(context, *sync, kReason, false, false);
}

// Else the live generation would not show for long what has changed.
bool GoesWell(WorkerContext* context, const SyncRuntime& live) {
  const SyncRuntime* building = BuildingOf(context, live);
  if (building == nullptr) return !live.live.wanted.reason.empty();
  return live.live.failures == 0 && !building->failed && building->failure.empty() &&
         !building->index.lost && !building->blocked;
}

}  // namespace

bool LeavesParked(WorkerContext* context, SyncRuntime* sync) {
  ParkedState& parked = sync->parked;
  if (sync->Trying()) return false;
  if (!parked.judged) {
    parked.refill = false;
    if (MayRefill(*sync) && !IsCheaper(sync, &parked.refill)) return true;
    parked.judged = true;
    if (parked.refill) Begin(context, sync);
  }
  return parked.refill && GoesWell(context, *sync);
}

void JudgeAgain(SyncRuntime* sync) { sync->parked.judged = false; }

bool OnlyRefills(const SyncRuntime& live, const SyncRuntime& building) {
  return building.rebuild.reason == kReason && live.live.outdated_since == 0;
}

const char* RefillNotice(const SyncRuntime& sync) {
  return sync.parked.refill && sync.parked.count.rows > 0
             ? "more than a fifth of its rows changed while it could not write: a new index is "
               "filled, and searches see the state before until then"
             : "";
}

}  // namespace polyglot::pg
