// What the views polyglot.status, nodes and workers are made of: shared memory, joined with the
// definitions. Rows that the caller may not see are left out here, so that everybody may call it.

#include <cstdio>

#include "pg/encoding.h"
#include "pg/sql/live_status.h"
#include "pg/sql/visibility.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_status_rows);
PG_FUNCTION_INFO_V1(polyglot_node_rows);
PG_FUNCTION_INFO_V1(polyglot_worker_rows);
PGDLLEXPORT Datum polyglot_status_rows(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_node_rows(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_worker_rows(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

// One result row, filled from left to right.
class RowBuilder {
 public:
  void Null() { Put(0, true); }
  void Text(const char* text) { text ? Put(CStringGetTextDatum(text), false) : Null(); }
  void Int(int32 number) { Put(Int32GetDatum(number), false); }
  void Big(int64 number) { Put(Int64GetDatum(number), false); }
  void Object(Oid oid) { Put(ObjectIdGetDatum(oid), false); }
  void Time(TimestampTz time) { time ? Put(TimestampTzGetDatum(time), false) : Null(); }
  void Real(double number) { Put(Float8GetDatum(number), false); }
  void Interval(int64 microseconds) {
    auto* span = static_cast<::Interval*>(palloc0(sizeof(::Interval)));
    span->time = microseconds;
    Put(IntervalPGetDatum(span), false);
  }
  void Send(FunctionCallInfo fcinfo) {
    auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    if (count_ != result->setDesc->natts) elog(ERROR, "wrong number of columns: %d", count_);
    tuplestore_putvalues(result->setResult, result->setDesc, values_, nulls_);
    count_ = 0;
  }

 private:
  void Put(Datum value, bool is_null) {
    values_[count_] = value;
    nulls_[count_++] = is_null;
  }
  static constexpr int kMost = 32;
  Datum values_[kMost];
  bool nulls_[kMost];
  int count_ = 0;
};

void AddBackfill(RowBuilder* row, const SyncRow* sync, const LiveStatus& live) {
  const Backfill backfill = BackfillOf(sync, live);
  row->Big(backfill.rows);
  row->Big(backfill.total);
  if (backfill.eta < 0) {
    row->Null();
    row->Null();
  } else {
    row->Real(backfill.rate);
    row->Interval(backfill.eta);
  }
}

void AddLag(RowBuilder* row, const SyncRow* sync, const LiveStatus& live) {
  const TimestampTz since = WaitingSince(sync, live);
  if (since == DT_NOBEGIN) return row->Null();
  row->Interval(since == 0 ? 0 : Max(GetCurrentTimestamp() - since, 0));
}

void AddQueue(RowBuilder* row, const LiveStatus& live) {
  if (!live.looked) {
    row->Null();
    row->Null();
    return;
  }
  row->Big(static_cast<int64>(live.queued));
  row->Big(static_cast<int64>(live.queue_bytes));
}

void SendStatus(FunctionCallInfo fcinfo, const SyncRow* sync, const LiveStatus& live) {
  RowBuilder row;
  row.Int(sync->id);
  row.Text(StateOf(sync, live));
  AddBackfill(&row, sync, live);
  row.Big(static_cast<int64>(Pending(live)));
  row.Big(static_cast<int64>(live.parked));
  AddLag(&row, sync, live);
  row.Time(live.last_success);
  for (uint64 counter : {live.delivered, live.deleted, live.stale, live.retried})
    row.Big(static_cast<int64>(counter));
  const Explanation problem = ProblemOf(sync, live);
  row.Text(problem.text);
  row.Text(problem.hint);
  row.Text(ErrorOf(sync, live));
  sync->has_state ? row.Time(Max(live.last_error_at, sync->last_error_at)) : row.Null();
  live.running ? row.Time(live.state_since) : row.Null();
  AddQueue(&row, live);
  live.running ? row.Int(live.pid) : row.Null();
  row.Time(live.counters_since);
  row.Send(fcinfo);
}

void SendNode(FunctionCallInfo fcinfo, Oid server, const NodeSlot& node) {
  RowBuilder row;
  row.Object(server);
  row.Text(node.url);
  row.Text(node.state);
  row.Int(node.in_flight);
  node.last_latency_us > 0 ? row.Interval(node.last_latency_us) : row.Null();
  row.Text(node.last_error[0] ? ReadableInServer(node.last_error) : nullptr);
  row.Time(node.backoff_until);
  row.Send(fcinfo);
}

// The memory that no other process shares, in bytes; -1 when it cannot be told.
int64 PrivateMemory(pid_t pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/status", static_cast<int>(pid));
  FILE* file = AllocateFile(path, "r");
  if (!file) return -1;
  char line[128];
  long long kilobytes = -1;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "RssAnon: %lld kB", &kilobytes) == 1) break;
  FreeFile(file);
  return kilobytes < 0 ? -1 : kilobytes * 1024;
}

void SendWorker(FunctionCallInfo fcinfo, pid_t pid, const char* role, Oid server, const char* state,
                TimestampTz since) {
  int64 memory = PrivateMemory(pid);
  RowBuilder row;
  row.Int(pid);
  row.Text(role);
  OidIsValid(server) ? row.Object(server) : row.Null();
  row.Text(state);
  row.Time(since);
  memory < 0 ? row.Null() : row.Big(memory);
  row.Send(fcinfo);
}

// What one that stands still has said before may be so no more.
bool IsSilent(WorkerSlot* worker) {
  constexpr int64 kSilentUs = 5 * USECS_PER_SEC;
  const auto heard = static_cast<TimestampTz>(pg_atomic_read_u64(&worker->published_at));
  return heard != 0 && GetCurrentTimestamp() - heard >= kSilentUs;
}

// A copy of this database's running workers: nothing may ereport under the lock.
WorkerSlot* CopyWorkers(int* count) {
  SharedState* shared = Shared();
  *count = 0;
  if (!shared) return nullptr;
  auto* copies = static_cast<WorkerSlot*>(palloc(sizeof(WorkerSlot) * kMaxWorkers));
  LWLockAcquire(shared->lock, LW_SHARED);
  for (WorkerSlot& worker : shared->workers)
    if (worker.database == MyDatabaseId)
      memcpy(static_cast<void*>(&copies[(*count)++]), &worker, sizeof worker);
  LWLockRelease(shared->lock);
  return copies;
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_status_rows(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  InitMaterializedSRF(fcinfo, 0);
  int count;
  SyncRow** syncs = LoadSyncs(InvalidOid, &count);
  const LiveStatus* live = ReadLiveStatuses(syncs, count);
  for (int i = 0; i < count; ++i)
    if (MaySee(syncs[i])) SendStatus(fcinfo, syncs[i], live[i]);
  return static_cast<Datum>(0);
}

Datum polyglot_node_rows(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  InitMaterializedSRF(fcinfo, 0);
  int count;
  WorkerSlot* workers = CopyWorkers(&count);
  for (int i = 0; i < count; ++i) {
    if (workers[i].pid == 0 || !MaySeeServer(workers[i].server)) continue;
    const bool silent = IsSilent(&workers[i]);
    for (int n = 0; n < Min(workers[i].node_count, kMaxNodes); ++n) {
      NodeSlot* node = &workers[i].nodes[n];
      if (silent) strlcpy(node->state, "unknown", sizeof node->state);
      SendNode(fcinfo, workers[i].server, *node);
    }
  }
  return static_cast<Datum>(0);
}

Datum polyglot_worker_rows(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  InitMaterializedSRF(fcinfo, 0);
  SharedState* shared = Shared();
  if (shared && shared->launcher_pid != 0 && IsMonitor())
    SendWorker(fcinfo, shared->launcher_pid, "launcher", InvalidOid, "running",
               shared->launcher_started_at);
  int count;
  WorkerSlot* workers = CopyWorkers(&count);
  for (int i = 0; i < count; ++i)
    if (workers[i].pid != 0 && MaySeeServer(workers[i].server))
      SendWorker(fcinfo, workers[i].pid, "worker", workers[i].server,
                 IsSilent(&workers[i]) ? "not answering" : workers[i].state, workers[i].started_at);
  return static_cast<Datum>(0);
}
