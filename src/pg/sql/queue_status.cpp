// What the queues add to what shared memory says of syncs: true without a worker, too.

#include <vector>

#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/guard.h"
#include "pg/queue/queue_look.h"
#include "pg/server/server_options.h"
#include "pg/sql/live_status.h"

namespace polyglot::pg {

namespace {

constexpr char kParkedSample[] =
    "SELECT pg_catalog.count(*), pg_catalog.min(p.captured_at),"
    " pg_catalog.sum(pg_catalog.length(p.key) + pg_catalog.octet_length(p.document_id) + 200)"
    " FROM (SELECT k.captured_at, k.key, k.document_id FROM polyglot.parked_key k"
    " WHERE k.sync_id = $1::pg_catalog.int4 LIMIT 10000) p";

// Shared memory knows them from the first start of a worker on. Not all are counted: there may be
// millions.
void CountParked(const SyncRow* sync, LiveStatus* live) {
  AsExtensionOwner as_owner;
  SPI_connect();
  bool none;
  if (Execute(kParkedSample, {psprintf("%d", sync->id)}) == 1) {
    HeapTuple row = SPI_tuptable->vals[0];
    live->parked =
        static_cast<uint64>(DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &none)));
    const Datum oldest = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &none);
    if (!none) live->oldest_event = DatumGetTimestampTz(oldest);
    const Datum bytes = SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &none);
    if (!none) live->parked_bytes = static_cast<uint64>(DatumGetInt64(bytes));
    live->pending = live->parked;
  }
  SPI_finish();
}

uint64 MaxQueueBytes(Oid server) {
  if (!IsOurServer(server)) return 0;
  return static_cast<uint64>(LoadServerOptions(server)->max_queue_bytes);
}

// Of all syncs of one queue.
void AddQueue(int32 queue, SyncRow** all, LiveStatus* live, int count) {
  std::vector<const SyncRow*> syncs;
  std::vector<LiveStatus*> theirs;
  for (int i = 0; i < count; i++) {
    if (!all[i]->has_state || all[i]->queue != queue) continue;
    syncs.push_back(all[i]);
    theirs.push_back(&live[i]);
  }
  const QueueLook look = LookAtQueue(queue, syncs);
  uint64 bytes = look.bytes, most = 0;
  Call([&] { most = MaxQueueBytes(syncs[0]->server); });
  for (const LiveStatus* one : theirs) bytes += one->parked_bytes;
  for (std::size_t i = 0; i < theirs.size(); i++) {
    theirs[i]->looked = true;
    theirs[i]->queue_seen = look.seen;
    theirs[i]->queued = look.syncs[i].count;
    theirs[i]->queued_since = look.syncs[i].oldest;
    theirs[i]->queue_bytes = bytes;
    theirs[i]->max_queue_bytes = most;
  }
}

}  // namespace

LiveStatus* ReadLiveStatuses(SyncRow** all, int count) {
  auto* live = static_cast<LiveStatus*>(palloc0(sizeof(LiveStatus) * (count + 1)));
  const bool standby = RecoveryInProgress();
  for (int i = 0; i < count; i++) {
    live[i] = ReadLiveStatus(all[i]);
    if (all[i]->has_state && !live[i].has_slot && !standby) CountParked(all[i], &live[i]);
  }
  if (standby) return live;
  PushActiveSnapshot(GetLatestSnapshot());
  Enter([&] {
    for (int i = 0; i < count; i++)
      if (all[i]->has_state && !live[i].looked) AddQueue(all[i]->queue, all, live, count);
  });
  PopActiveSnapshot();
  return live;
}

LiveStatus ReadLiveStatusAndQueue(const SyncRow* sync) {
  int count;
  SyncRow** all = LoadSyncs(InvalidOid, &count);
  LiveStatus* live = ReadLiveStatuses(all, count);
  for (int i = 0; i < count; i++)
    if (all[i]->id == sync->id) return live[i];
  return ReadLiveStatus(sync);
}

}  // namespace polyglot::pg
