#include "pg/worker/parking.h"

#include <utility>

#include "pg/worker/backfill.h"
#include "pg/worker/records.h"
#include "pg/worker/resync.h"

namespace polyglot::pg {
namespace {

constexpr int kKeysPerPage = 1000;
constexpr std::size_t kKeysWaiting = 2000;

bool HasWaiting(const SyncRuntime& sync) {
  return !sync.keys.empty() ||
         (sync.channel != nullptr && sync.channel->delivery().Outstanding(sync.id) > 0);
}

// Everything of this sync that is in memory and not in flight, as keys. Pages of a backfill and
// walks of a resync are begun anew after the pause.
std::vector<PendingKey> Collect(WorkerContext* context, SyncRuntime* sync) {
  std::vector<PendingKey> keys;
  for (PendingKey& key : sync->keys.Take(sync->keys.size())) keys.push_back(std::move(key));
  if (sync->channel == nullptr) return keys;
  for (core::Operation& op : sync->channel->delivery().Withdraw(sync->id, UINT64_MAX)) {
    if (op.tickets.scan == 0 && op.tickets.probe == 0) {
      context->settlement.Release(sync->id, op.tickets);
      continue;
    }
    PendingKey key;
    key.id = std::move(op.id);
    key.key = std::move(op.key);
    key.routing = std::move(op.routing);
    key.tickets = op.tickets;
    key.captured_at = GetCurrentTimestamp();
    keys.push_back(std::move(key));
  }
  return keys;
}

void Park(WorkerContext* context, SyncRuntime* sync) {
  const std::vector<PendingKey> keys = Collect(context, sync);
  if (sync->backfill.running) RewindBackfill(sync);
  if (sync->resync.step != ResyncState::Step::kNone) ContinueResync(sync, sync->resync.version);
  sync->parked.draining = false;
  if (keys.empty()) return;
  InTransaction([&] {
    ParkKeys(sync->id, keys, DrawPositions(1), sync->parked.probe_version);
    CountParked(sync->id, &sync->parked.count, &sync->parked.oldest);
  });
  for (const PendingKey& key : keys) context->settlement.Release(sync->id, key.tickets);
}

void LoadPage(WorkerContext* context, SyncRuntime* sync) {
  ParkedState& parked = sync->parked;
  std::vector<PendingKey> keys;
  InTransaction([&] {
    keys = LoadParked(sync->id, kKeysPerPage, parked.cursor ? &*parked.cursor : nullptr);
  });
  if (!keys.empty()) parked.cursor = keys.back();
  parked.at_end = keys.size() < static_cast<std::size_t>(kKeysPerPage);
  for (PendingKey& key : keys) {
    key.tickets.probe = ++parked.last_probe;
    sync->keys.Add(sync->id, std::move(key), &context->settlement);
  }
}

// The walk over the parked table has ended and every probe has its outcome: what is there now was
// parked meanwhile, or is held up by a dead letter.
void EndDrain(SyncRuntime* sync) {
  ParkedState& parked = sync->parked;
  InTransaction([&] { CountParked(sync->id, &parked.count, &parked.oldest); });
  parked.draining = parked.at_end = false;
  parked.cursor.reset();
}

}  // namespace

void ParkWaiting(WorkerContext* context) {
  for (auto& [id, sync] : context->syncs)
    if (sync->Parks() && HasWaiting(*sync)) Park(context, sync.get());
}

bool DrainParked(WorkerContext* context) {
  bool worked = false;
  for (auto& [id, sync] : context->syncs) {
    ParkedState& parked = sync->parked;
    if (sync->Parks() || sync->index.step != IndexStep::kReady) continue;
    if (parked.count == 0 && !parked.draining) continue;
    parked.draining = true;
    if (parked.at_end) {
      if (context->settlement.SettledProbe(id, parked.last_probe) == parked.last_probe)
        EndDrain(sync.get());
    } else if (sync->keys.size() < kKeysWaiting && sync->channel->delivery().HasRoom()) {
      LoadPage(context, sync.get());
      worked = true;
    }
  }
  return worked;
}

}  // namespace polyglot::pg
