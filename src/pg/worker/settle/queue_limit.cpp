#include "pg/worker/settle/queue_limit.h"

#include "pg/catalog/parked_keys.h"
#include "pg/catalog/queue_tables.h"
#include "pg/catalog/sync_state.h"
#include "pg/worker/feed/queue_intake.h"
#include "pg/worker/rebuild/rebuild.h"
#include "pg/worker/settle/parking.h"
#include "pg/worker/state/acknowledged.h"
#include "pg/worker/state/fill.h"
#include "pg/worker/state/generations.h"
#include "pg/worker/state/pipeline.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/state/withdraw.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kInterval{1'000'000};
constexpr core::Time kSlow{10'000'000};
constexpr std::uint64_t kOverflowFrom = 64u << 20, kOverflowTo = 32u << 20;

std::uint64_t TableBytes(const WorkerContext& context, int table) {
  return std::uint64_t{context.reader->Blocks(table)} * BLCKSZ;
}

std::uint64_t QueueBytes(const WorkerContext& context) {
  return TableBytes(context, 0) + TableBytes(context, 1);
}

std::uint64_t ParkedBytes(const WorkerContext& context) {
  std::uint64_t bytes = 0;
  for (const auto& [id, sync] : context.syncs) bytes += sync->parked.count.bytes;
  return bytes;
}

// No change that was forgotten needs to be found again: the whole index will be.
void ForgetChanges(WorkerContext* context, SyncRuntime* sync, const std::string& reason) {
  if (sync->dropped.empty() && !sync->IsBuilding())
    ereport(LOG, (errmsg("polyglot_sync: sync \"%s\": %s", sync->name.c_str(), reason.c_str())));
  const std::int64_t oldest =
      sync->CapturedAt(sync->oldest_by_scan.empty() ? 0 : sync->oldest_by_scan.begin()->first);
  if (sync->lagging_since == 0 || oldest < sync->lagging_since) sync->lagging_since = oldest;
  const ParkedCount& parked = sync->parked.count;
  if (parked.rows > 0) sync->lagging_since = std::min(sync->lagging_since, parked.oldest);
  ForgetWaiting(context, sync);
  sync->dropped = reason;
  if (sync->managed) return;  // a new generation is stored already
  ResetBackfill(sync);
  WantResync(sync, reason);
}

// In the transaction that drops the events: a new index for each sync that has made its own.
void StoreDropped(WorkerContext* context, const std::string& reason) {
  for (auto& [id, sync] : context->syncs) {
    if (!sync->managed)
      StoreResync(id, 0, reason.c_str());
    else if (!sync->IsBuilding())
      WantRebuild(context, *sync, reason.c_str(), true, true);  // nothing is parked for it either
  }
  StartWantedRebuilds(context);
}

// Tables that can be locked now, as bits.
unsigned LockTables(WorkerContext* context) {
  unsigned locked = 0;
  for (int table = 0; table < 2; table++)
    if (context->reader->TryLock(table)) locked |= 1u << table;
  return locked;
}

// What is not locked stays: dropping is of use only if the rest comes below the limit.
bool IsEnough(const WorkerContext& context, unsigned locked) {
  std::uint64_t rest = 0;
  for (int table = 0; table < 2; table++)
    if ((locked & 1u << table) == 0) rest += TableBytes(context, table);
  return rest < context.max_queue_bytes;
}

// Nobody's open transaction has one of them: under the locks of the queue nothing is waited for.
bool LockStates(WorkerContext* context) {
  for (auto& [id, sync] : context->syncs)
    if (!LockState(sync.get())) {
      context->pinned =
          "the queue cannot be emptied: an open transaction changes sync \"" + sync->name + "\"";
      return false;
    }
  return true;
}

// The deletion of parked rows may take long; the lock must not. A crash in between leaves rows that
// are read again for nothing.
void DeleteAllParked(WorkerContext* context) {
  for (auto& [id, sync] : context->syncs)
    if (sync->parked.count.rows > 0) InTransaction([&] { DeleteParked(sync.get()); });
}

void DropEvents(WorkerContext* context) {
  const std::string reason = "events dropped: max_queue_size (" +
                             std::to_string(context->max_queue_bytes >> 20) + " MB) was exceeded";
  unsigned locked = 0;
  bool dropped = false;
  InTransaction([&] {
    if (!context->reader->Exists() || !LockStates(context)) return;
    locked = LockTables(context);
    if (DefinitionsChanged(context)) return;
    if (!IsEnough(*context, locked)) {
      NotePinned(context);
      return;
    }
    StoreDropped(context, reason);
    for (int table = 0; table < 2; table++)
      if ((locked & 1u << table) != 0) context->reader->Truncate(table);
    WriteControl(context);
    dropped = true;
  });
  if (!dropped) return;
  context->pinned.clear();
  for (int table = 0; table < 2; table++)
    if ((locked & 1u << table) != 0) context->reader->Truncated(table);
  for (auto& [id, sync] : context->syncs) ForgetChanges(context, sync.get(), reason);
  DeleteAllParked(context);
}

// A queue table is emptied when all that was read of it is settled: what waits in memory for a slow
// server would keep it for as long as that takes.
void ParkWhatLingers(WorkerContext* context, core::Time now) {
  auto& [lowest, since] = context->lingering;
  const std::uint64_t found = context->overflow ? context->settlement.LowestScan() : 0;
  if (found == 0 || found != lowest) {
    lowest = found;
    since = now;
  } else if (now - since >= kSlow) {
    since = now;
    ParkEverything(context);
  }
}

}  // namespace

void NotePinned(WorkerContext* context) {
  const std::string holder = QueueHolder(context->reader->oid(0), context->reader->oid(1));
  if (!holder.empty()) context->pinned = "the queue cannot be emptied: " + holder + " holds it";
}

void LimitQueue(WorkerContext* context, core::Time now) {
  core::Time& looked_at = context->moments.queue_measured;
  if (now - looked_at < kInterval) return;
  looked_at = now;
  // A pipeline that is full begins no pass, so nobody else looks.
  if (PipelineFull(*context) || context->reader->in_pass())
    InTransaction([&] { context->reader->Measure(); });
  const std::uint64_t queue = QueueBytes(*context);
  if (queue > kOverflowFrom) context->overflow = true;
  if (queue < kOverflowTo) context->overflow = false;
  ParkWhatLingers(context, now);
  if (context->max_queue_bytes > 0 && queue + ParkedBytes(*context) > context->max_queue_bytes)
    DropEvents(context);
}

}  // namespace polyglot::pg
