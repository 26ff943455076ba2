#include "pg/worker/settle/parking.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "pg/catalog/parked_keys.h"
#include "pg/clock.h"
#include "pg/shared/version_positions.h"
#include "pg/worker/rebuild/refill.h"
#include "pg/worker/state/fill.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/state/withdraw.h"

namespace polyglot::pg {
namespace {

constexpr int kKeysPerPage = 1000;
constexpr int kKeysPerProbe = 10;  // of an index that is blocked, or of a server on trial
constexpr std::size_t kKeysWaiting = 2000;
constexpr std::size_t kKeysPerTransaction = 5000;

bool HasOperations(const SyncRuntime& sync) {
  return sync.channel != nullptr && sync.channel->delivery().Outstanding(sync.id) > 0;
}

bool HasWaiting(const SyncRuntime& sync) {
  return !sync.keys.empty() || !sync.unconfirmed.empty() || HasOperations(sync);
}

bool MustPark(const SyncRuntime& sync) {
  return HasWaiting(sync) && MonotonicNow() >= sync.store_at;
}

// What is parked already keeps its row, and what cannot be stored now waits on.
void StoreKeys(WorkerContext* context, SyncRuntime* sync, std::vector<core::PendingKey> keys) {
  while (!keys.empty()) {
    const std::size_t rest = keys.size() - std::min(keys.size(), kKeysPerTransaction);
    const std::vector<core::PendingKey> some(std::make_move_iterator(keys.begin() + rest),
                                             std::make_move_iterator(keys.end()));
    keys.resize(rest);
    bool parked = false;
    InTransaction([&] {
      if ((parked = LockState(sync))) ParkKeys(sync, some, DrawPositions(1));
    });
    for (const core::PendingKey& key : some) {
      if (parked)
        context->settlement.Release(sync->id, key.tickets);
      else
        sync->keys.PutBack(key, sync->id, &context->settlement);
    }
  }
}

void Park(WorkerContext* context, SyncRuntime* sync) {
  std::vector<core::PendingKey> keys = TakeWaiting(context, sync);
  if (sync->backfill.running) RewindBackfill(sync);
  if (sync->resync.step != ResyncState::Step::kNone) ContinueResync(sync, sync->resync.version);
  StoreKeys(context, sync, std::move(keys));
}

// What had come before its index was known to be slow would fill the memory that others need.
void ParkExcess(WorkerContext* context, SyncRuntime* sync) {
  if (!sync->Slow() || sync->keys.size() <= 2 * kKeysWaiting) return;
  if (MonotonicNow() < sync->store_at) return;
  std::vector<core::PendingKey> excess;
  for (core::PendingKey& key : sync->keys.Take(sync->keys.size() - kKeysWaiting)) {
    if (key.tickets.scan != 0)
      excess.push_back(std::move(key));
    else  // its row is still there
      context->settlement.Release(sync->id, key.tickets);
  }
  StoreKeys(context, sync, std::move(excess));
}

bool LoadPage(WorkerContext* context, SyncRuntime* sync) {
  ParkedState& parked = sync->parked;
  const int limit = sync->Trying() ? kKeysPerProbe : kKeysPerPage;
  std::vector<core::PendingKey> keys;
  bool locked = false;
  InTransaction([&] {
    // What an open drop_sync has could not be taken out afterwards, and would come again and again.
    if (!(locked = LockState(sync))) return;
    keys = LoadParked(sync->id, limit, parked.cursor ? &*parked.cursor : nullptr);
  });
  if (!locked) return false;
  if (!keys.empty()) parked.cursor = keys.back();
  parked.at_end = keys.size() < static_cast<std::size_t>(limit);
  for (core::PendingKey& key : keys) {
    key.tickets.probe = ++parked.last_probe;
    sync->keys.Add(sync->id, std::move(key), &context->settlement);
  }
  return true;
}

// The walk over the parked table has ended and every probe has its outcome: what is there now was
// parked meanwhile, or is held up by a dead letter.
void EndDrain(SyncRuntime* sync) {
  InTransaction([&] { sync->parked.count = CountParked(sync->id); });
  EndProbes(sync);
}

// No more is tried before the answer to the first few keys.
bool WaitsForAnswer(const SyncRuntime& sync) {
  return sync.Trying() && (!sync.keys.empty() || HasOperations(sync) || !sync.unconfirmed.empty());
}

bool NothingToTry(const SyncRuntime& sync) {
  return sync.parked.count.rows == 0 && !sync.parked.draining && sync.Streaming() &&
         !HasWaiting(sync);
}

// A server on trial that nobody has anything for is well until the contrary is seen.
void EndIdleTrials(WorkerContext* context) {
  std::set<const Channel*> busy;
  for (const auto& [id, sync] : context->syncs) {
    const bool stopped = sync->paused || sync->failed || sync->blocked || sync->index.missing;
    if (!stopped && !NothingToTry(*sync)) busy.insert(sync->channel);
  }
  for (auto& channel : context->channels)
    if (channel->on_trial() && !busy.contains(channel.get())) channel->EndTrial();
}

}  // namespace

void NoteAway(WorkerContext* context, core::Time now) {
  bool trial = false;
  for (SyncRuntime* sync : context->awake) {
    sync->away = sync->channel != nullptr && sync->channel->Away(now);
    const bool on_trial = sync->channel != nullptr && sync->channel->on_trial();
    sync->on_trial = on_trial && sync->index.step == IndexStep::kReady;
    trial |= on_trial;
  }
  if (trial) EndIdleTrials(context);
}

void ProbeBlocked(WorkerContext* context, core::Time now) {
  for (SyncRuntime* sync : context->awake) {
    if (!sync->blocked) continue;
    if (sync->paused || sync->failed || sync->away) {
      sync->probing = false;
    } else if (sync->probing) {
      if (NothingToTry(*sync)) Unblock(sync);
    } else if (sync->index.step == IndexStep::kReady && now >= sync->blocked_until) {
      sync->probing = true;
    }
  }
}

void ParkWaiting(WorkerContext* context) {
  for (SyncRuntime* sync : context->Awake())
    if (sync->Sends())
      ParkExcess(context, sync);
    else if (MustPark(*sync))
      Park(context, sync);
}

void ParkEverything(WorkerContext* context) {
  for (auto& [id, sync] : context->syncs)
    if (MustPark(*sync)) Park(context, sync.get());
}

bool DrainParked(WorkerContext* context) {
  bool worked = false;
  const core::Time now = MonotonicNow();
  for (SyncRuntime* sync : context->Awake()) {
    ParkedState& parked = sync->parked;
    if (!sync->Sends() || sync->Trying()) JudgeAgain(sync);
    if (!sync->Sends() || sync->index.step != IndexStep::kReady) continue;
    if (parked.count.rows == 0 && !parked.draining) continue;
    if (!parked.at_end && LeavesParked(context, sync)) continue;
    parked.draining = true;
    if (parked.at_end) {
      if (context->settlement.SettledProbe(sync->id, parked.last_probe) == parked.last_probe)
        EndDrain(sync);
    } else if (sync->keys.size() < kKeysWaiting && sync->channel->delivery().HasRoom(sync->id) &&
               !WaitsForAnswer(*sync) && now >= sync->store_at) {
      worked |= LoadPage(context, sync);
    }
  }
  return worked;
}

}  // namespace polyglot::pg
