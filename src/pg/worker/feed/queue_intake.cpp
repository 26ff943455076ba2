#include "pg/worker/feed/queue_intake.h"

#include <algorithm>
#include <utility>

#include "core/queue/queue_record.h"
#include "pg/catalog/sync_state.h"
#include "pg/clock.h"
#include "pg/fault_points.h"
#include "pg/shared/version_positions.h"
#include "pg/worker/rebuild/rebuild.h"
#include "pg/worker/state/crash_guard.h"
#include "pg/worker/state/fill.h"
#include "pg/worker/state/generations.h"
#include "pg/worker/state/pipeline.h"
#include "pg/worker/state/stored_state.h"

namespace polyglot::pg {
namespace {

constexpr std::int64_t kRecordsPerStep = 5000;

// ---- events → keys ----------------------------------------------------------------------------

// The routing value of an event, if the sync has one and the event knows it. false: it was recorded
// before the column's type changed.
bool RoutingOf(SyncRuntime* sync, const core::KeyEvent& event,
               const std::vector<std::string_view>& values, std::optional<std::string>* routing) {
  if (sync->routing_att == 0) return true;
  for (std::size_t i = 0; i < event.columns->size(); ++i) {
    const core::CapturedColumn& column = (*event.columns)[i];
    if (column.attnum != sync->routing_att || values[i].data() == nullptr) continue;
    std::string packed, text;
    core::AppendKeyHeader(&packed, {column});
    core::AppendValue(&packed, values[i]);
    PgError error;
    if (!sync->reader->RoutingOfValue(packed, &text, &error))
      return ERRCODE_TO_CATEGORY(error.sqlstate) == ERRCODE_DATA_EXCEPTION;  // has no document
    if (!text.empty()) *routing = std::move(text);
  }
  return true;
}

constexpr char kDied[] = "workers died twice on a row of its queue, which was set aside";

// Keys that go to the parked table with this transaction.
using ParkList = std::map<SyncRuntime*, std::vector<core::PendingKey>>;

// What becomes of the events of some rows; `key` and `values` are memory that each of them fills.
struct Intake {
  ParkList parks;
  core::PendingKey key;
  std::vector<std::string_view> values;
};

bool MakeKey(SyncRuntime* sync, const core::KeyEvent& event, Intake* intake) {
  core::PendingKey* key = &intake->key;
  std::vector<std::string_view>* values = &intake->values;
  values->clear();
  key->key.clear();
  key->id.clear();
  key->routing.reset();
  key->tickets = {};
  if (!core::SplitValues(event.values, event.columns->size(), values)) return false;
  if (!core::PackColumns(*event.columns, *values, sync->key_columns, &key->key)) return false;
  PgError error;
  if (!sync->reader->IdOfKey(key->key, &key->id, &error)) return false;
  FaultKey("fault_event", key->id);
  return RoutingOf(sync, event, *values, &key->routing);
}

// polyglot.enqueue names a key of one sync; others of the same table may have other columns as
// theirs.
bool IsForAnother(const SyncRuntime& sync, const core::KeyEvent& event) {
  std::vector<std::string_view> values;
  if (event.kind != core::EventKind::kEnqueue ||
      !core::SplitValues(event.values, event.columns->size(), &values))
    return false;
  for (std::size_t i = 0; i < values.size(); ++i)
    for (const core::CapturedColumn& key : sync.key_columns)
      if ((*event.columns)[i].attnum == key.attnum && values[i].data() == nullptr) return true;
  return false;
}

void NoteOldest(SyncRuntime* sync, std::uint64_t scan, std::int64_t captured_at) {
  auto [it, is_new] = sync->oldest_by_scan.try_emplace(scan, captured_at);
  if (!is_new) it->second = std::min(it->second, captured_at);
}

void KeepKey(WorkerContext* context, SyncRuntime* sync, core::PendingKey&& key) {
  key.tickets.scan = context->scan_number;
  NoteOldest(sync, context->scan_number, key.captured_at);
  sync->keys.Add(sync->id, std::move(key), &context->settlement);
}

void TakeEvent(WorkerContext* context, SyncRuntime* sync, const core::KeyEvent& event,
               const QueueRow& row, bool aside, Intake* intake) {
  if (sync->has_start && sync->start.Sees(row.xid)) return;  // settled before this worker began
  if (!sync->resync_wanted.empty()) return;  // older than the version that will be drawn
  // The backfill, when it begins, will see what this transaction sees; nothing else will be seen of
  // a live generation that stands still.
  if (sync->rebuild.fresh || sync->live.frozen) return;
  if (event.kind == core::EventKind::kTruncate) {
    // Of one that is managed a request has told.
    if (!sync->managed) RequestResyncSoon(context, sync, "TRUNCATE");
    return;
  }
  if (event.kind == core::EventKind::kResync)
    return BringInStep(context, sync, aside ? kDied : "unknown rows changed");
  if (!MakeKey(sync, event, intake)) {
    // A generation that is outdated already will be replaced by one that it fits.
    if (sync->live.outdated_since == 0 && !IsForAnother(*sync, event))
      BringInStep(context, sync, "an event does not fit the definition any more");
    return;
  }
  // A long transaction's event counts from the scan that could not see it yet, not from its
  // capture.
  core::PendingKey& key = intake->key;
  key.captured_at = std::max<std::int64_t>(row.captured_at, context->previous_scan_at);
  if (sync->Parks() || context->park_all)
    intake->parks[sync].push_back(std::move(key));
  else
    KeepKey(context, sync, std::move(key));
}

void TakeRow(WorkerContext* context, const QueueRows& rows, const QueueRow& row, Intake* intake) {
  if (row.instance != context->instance) return;  // copied from another database
  const bool aside = IsSetAside(rows.Data(row));
  core::RecordReader reader(rows.Data(row));
  core::KeyEvent event;
  while (reader.Next(&event)) {
    if (aside && event.kind != core::EventKind::kControl) event.kind = core::EventKind::kResync;
    if (event.kind == core::EventKind::kControl) continue;
    context->events_since_save++;
    for (SyncRuntime* sync : context->SyncsOf(event.source)) {
      context->Wake(sync);
      TakeEvent(context, sync, event, row, aside, intake);
    }
  }
  if (reader.ok()) return;
  elog(WARNING, "polyglot_sync: a damaged row of queue %d was skipped", context->queue);
  for (auto& [id, sync] : context->syncs)
    if (!sync->IsBuilding()) BringInStep(context, sync.get(), "a row of its queue is damaged");
}

// What somebody's open transaction keeps from being parked waits in memory.
void StoreParks(WorkerContext* context, ParkList* parks) {
  for (auto& [sync, keys] : *parks) {
    if (LockState(sync)) {
      ParkKeys(sync, keys, DrawPositions(1));
    } else {
      for (core::PendingKey& key : keys) KeepKey(context, sync, std::move(key));
    }
  }
}

// With a snapshot that is not older than the transaction's. One whose table is not there (any more)
// cannot be loaded.
bool SeesUnknownSync(const WorkerContext& context) {
  std::string known;
  for (const auto& [id, sync] : context.syncs)
    known += (known.empty() ? "{" : ",") + std::to_string(id);
  known = known.empty() ? "{}" : known + "}";
  return AnyOtherSync(context.server, known);
}

void CompletePass(WorkerContext* context) {
  if (!context->reader->pass_was_full()) return;
  context->scans.push_back({context->scan_number, context->reader->pass_snapshot(),
                            context->pass_request, context->pass_begun_at});
  context->previous_scan_at = context->pass_begun_at;
  context->scan_number++;
}

}  // namespace

void TakeQueueRows(WorkerContext* context, const QueueRows& rows) {
  Intake intake;
  for (const QueueRow& row : rows.rows) {
    TakeRow(context, rows, row, &intake);
    context->last_scan_with_rows[row.table] = context->scan_number;
  }
  StoreParks(context, &intake.parks);
  StartWantedRebuilds(context);
}

// In this order: who is not counted any more has raised the generation before.
bool DefinitionsChanged(WorkerContext* context) {
  const bool committing = pg_atomic_read_u32(&Shared()->changes_committing) > 0;
  pg_read_barrier();
  if (pg_atomic_read_u64(&Shared()->config_generation) != context->config_generation) return true;
  if (!committing || !SeesUnknownSync(*context)) return false;
  context->config_generation = 0;  // the number tells nothing yet: read them again even so
  return true;
}

// What is read beyond a full pipeline must go to the parked table at once.
bool HeldUp(const WorkerContext& context) {
  if (!PipelineFull(context)) return false;
  const core::Time now = MonotonicNow();
  return !context.overflow ||
         std::any_of(context.awake.begin(), context.awake.end(),
                     [now](const SyncRuntime* sync) { return now < sync->store_at; });
}

// One row of the queue in a transaction of its own, noted before.
static void TakeRowsCarefully(WorkerContext* context, const QueueRows& rows) {
  for (const QueueRow& row : rows.rows) {
    QueueRows one;
    one.bytes.assign(rows.Data(row));
    one.rows.push_back(row);
    one.rows.back().offset = 0;
    NoteReading(*context, one.bytes);
    InTransaction([&] { TakeQueueRows(context, one); });
  }
}

std::int64_t ReadQueue(WorkerContext* context, bool full) {
  context->park_all = PipelineFull(*context);
  if (HeldUp(*context)) return 0;
  QueueRows rows;
  bool complete = false, exists = true, changed = false;
  if (!context->reader->in_pass()) {
    context->pass_request = pg_atomic_read_u64(&Shared()->request);
    context->pass_begun_at = GetCurrentTimestamp();
  }
  InTransaction([&] {
    if (!(exists = context->reader->Exists())) return;
    if ((changed = DefinitionsChanged(context))) return;
    // With a snapshot that is not older than that of the rows below: a TRUNCATE is known before the
    // events of its transaction.
    TakeRebuildRequests(context);
    complete = context->reader->Step(full, kRecordsPerStep, MonotonicNow(), &rows);
    if (rows.rows.empty()) return;
    FlushEverythingVisible();
    if (!Careful()) TakeQueueRows(context, rows);
  });
  if (Careful()) TakeRowsCarefully(context, rows);
  if (!exists) context->leave = true;  // the extension was dropped
  if (changed) return -1;
  if (complete) CompletePass(context);
  std::int64_t records = 0;
  for (const QueueRow& row : rows.rows) records += row.count;
  return records;
}

}  // namespace polyglot::pg
