#include "pg/worker/parking.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "pg/catalog/parked_keys.h"
#include "pg/catalog/sync_state.h"
#include "pg/clock.h"
#include "pg/shared/version_positions.h"
#include "pg/worker/backfill.h"
#include "pg/worker/index_steps.h"
#include "pg/worker/refill.h"
#include "pg/worker/resync.h"
#include "pg/worker/stored_state.h"
#include "pg/worker/verification_state.h"

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

class Collector {
 public:
  Collector(WorkerContext* context, SyncRuntime* sync) : context_(context), sync_(sync) {}

  // Everything of this sync that is in memory and not in flight, as keys. Pages of a backfill and
  // walks of a resync are begun anew; a key that was parked already still has its row.
  std::vector<core::PendingKey> Run() {
    for (core::PendingKey& key : sync_->keys.Take(sync_->keys.size())) Take(std::move(key));
    if (sync_->channel != nullptr)
      for (core::Operation& op : sync_->channel->delivery().Withdraw(sync_->id, UINT64_MAX))
        Take(&op);
    UnconfirmedState& unconfirmed = sync_->unconfirmed;
    for (auto* list : {&unconfirmed.waiting, &unconfirmed.checking}) {
      for (core::Finished& finished : *list) Take(&finished.operation);
      list->clear();
    }
    return std::move(keys_);
  }

 private:
  void Take(core::Operation* op) {
    // A delete of what has no row: no key brings it back, so whoever found it looks again.
    if (op->key.empty() && sync_->verification) sync_->verification->withdrawn = true;
    core::PendingKey key;
    key.id = std::move(op->id);
    key.key = std::move(op->key);
    key.routing = std::move(op->routing);
    key.tickets = op->tickets;
    key.captured_at = sync_->CapturedAt(op->tickets.scan);  // `lag` must not shrink by parking
    Take(std::move(key));
  }
  void Take(core::PendingKey key) {
    if (key.tickets.scan != 0)
      keys_.push_back(std::move(key));
    else
      context_->settlement.Release(sync_->id, key.tickets);
  }

  WorkerContext* context_;
  SyncRuntime* sync_;
  std::vector<core::PendingKey> keys_;
};

void EndProbes(SyncRuntime* sync) {
  sync->parked.draining = sync->parked.at_end = false;
  sync->parked.cursor.reset();
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
  std::vector<core::PendingKey> keys = Collector(context, sync).Run();
  if (sync->backfill.running) RewindBackfill(sync);
  if (sync->resync.step != ResyncState::Step::kNone) ContinueResync(sync, sync->resync.version);
  EndProbes(sync);
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

bool SyncRuntime::Slow() const {
  return has_company && channel != nullptr && channel->delivery().Slow(id);
}

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

void Block(SyncRuntime* sync, core::Time now) {
  sync->blocked = true;
  sync->probing = false;
  sync->blocked_until = now + kBlockedRetry;
}

void Unblock(SyncRuntime* sync) { sync->blocked = sync->probing = false; }

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

std::vector<core::PendingKey> TakeWaiting(WorkerContext* context, SyncRuntime* sync) {
  std::vector<core::PendingKey> keys = Collector(context, sync).Run();
  EndProbes(sync);
  return keys;
}

void ForgetWaiting(WorkerContext* context, SyncRuntime* sync) {
  for (const core::PendingKey& key : TakeWaiting(context, sync))
    context->settlement.Release(sync->id, key.tickets);
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
