#include "pg/worker/feed/backfill.h"

#include <algorithm>
#include <utility>

#include "core/version.h"
#include "pg/clock.h"
#include "pg/shared/version_positions.h"
#include "pg/worker/feed/read_failures.h"
#include "pg/worker/state/crash_guard.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/state/read_lock.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/state/submit.h"

namespace polyglot::pg {
namespace {

constexpr int kRowsPerPage = 1000;
constexpr std::size_t kBytesPerPage = 4u << 20;
// Live changes must find room: the backfill never fills the pipeline beyond this.
constexpr std::uint64_t kQueuedBytes = 12u << 20;
constexpr core::Time kRateInterval{1'000'000};

// They must not wait long either for what was there before them.
std::uint64_t Window(const WorkerContext& context, const Channel* channel) {
  std::uint64_t millis = 0;
  for (const SyncRuntime* sync : context.awake)
    if (sync->channel == channel && sync->backfill.running) millis += sync->backfill.rate_millis;
  return core::BackfillWindow(millis);
}

bool HasRoom(const WorkerContext& context, const SyncRuntime& sync) {
  const core::Delivery& delivery = sync.channel->delivery();
  const std::uint64_t queued =
      delivery.Slow(sync.id) ? delivery.QueuedOperations() : delivery.PromptOperations();
  return queued < Window(context, sync.channel) && delivery.HasRoom(sync.id) &&
         (queued == 0 || delivery.QueuedBytes() < kQueuedBytes);
}

bool MayRead(const WorkerContext& context, const SyncRuntime& sync) {
  const BackfillState& b = sync.backfill;
  if (sync.channel == nullptr || !b.running || b.end_reached) return false;
  if (sync.blocked && sync.channel->delivery().Outstanding(sync.id) > 0) return false;  // a probe
  return sync.Sends() && !sync.held && sync.index.physical != nullptr &&
         MonotonicNow() >= sync.read_at && HasRoom(context, sync);
}

core::Operation PageOperation(const SyncRuntime& sync, const RowBatch& batch, const ReadRow& row,
                              std::uint64_t version) {
  core::Operation op;
  op.sync = sync.id;
  op.kind = core::OperationKind::kIndex;
  op.version = version;
  op.index = sync.index.physical;
  op.id = batch.Id(row);
  op.key = batch.Key(row);
  op.body = batch.Body(row);
  if (row.has_routing) op.routing.emplace(batch.Routing(row));
  op.tickets.page = sync.backfill.last_page;
  return op;
}

// The key has other types than when the position was stored: rows may stand anywhere in the new
// order.
void NoteRestart(SyncRuntime* sync) {
  BackfillState& b = sync->backfill;
  b.acknowledged.clear();
  b.cursor.clear();
  b.pages.clear();
  b.rows = 0;
  b.dirty = true;
  sync->rebuild.fewest = 0;
  sync->rebuild.most = kAnyNumber;
}

void SubmitPage(WorkerContext* context, SyncRuntime* sync, RowBatch* batch, std::uint64_t version) {
  BackfillState& b = sync->backfill;
  if (batch->restarted) NoteRestart(sync);
  b.end_reached = batch->end_reached;
  if (batch->last_key.empty()) return;
  b.cursor = batch->last_key;
  ++b.last_page;
  std::uint64_t documents = 0;
  for (const ReadRow& row : batch->rows) documents += row.passes ? 1 : 0;
  b.pages.push_back({b.last_page, std::move(batch->last_key), batch->rows.size(), documents});
  for (const ReadRow& row : batch->rows)
    if (row.passes) SubmitOperation(context, sync, PageOperation(*sync, *batch, row, version));
}

void SetDeadly(PgError* error) {
  error->sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED;  // a text that may be shown
  strlcpy(error->message, "workers died twice when they read the next row of the backfill",
          sizeof error->message);
}

// false: not now, somebody is at work on the table or on what must be stored.
bool ReadPage(WorkerContext* context, SyncRuntime* sync, int limit) {
  BackfillState& b = sync->backfill;
  RowBatch batch;
  PgError error{};
  ReadStatus status = ReadStatus::kOk;
  bool locked = false, stored = true;
  const std::string place = std::to_string(sync->id) + "/" + b.cursor;
  const bool deadly = IsSetAside(place);
  if (Careful()) {
    NoteReading(*context, place);
    limit = 1;
  }
  const std::uint64_t version = core::MakeVersion(sync->epoch, DrawPositions(1));
  sync->rebuild.fresh = false;  // from this snapshot on its events count
  InTransaction([&] {
    if (!(locked = LockSource(sync))) return;
    if (b.total == 0) b.total = static_cast<std::uint64_t>(sync->reader->EstimateRows());
    if (deadly) {
      SetDeadly(&error);
      status = ReadStatus::kSyncFailed;
    } else {
      status = sync->reader->ReadPage(b.cursor, limit, kBytesPerPage, &batch, &error);
      if (!(locked = NoteStatus(sync, status))) return;
    }
    FlushEverythingVisible();
    if (status == ReadStatus::kOk)
      stored = RecordReadFailures(sync, batch, version);
    else if ((stored = LockState(sync)))
      FailSync(context, sync, error);
  });
  if (!stored) Postpone(sync);
  if (!locked || !stored || status != ReadStatus::kOk) return locked && stored;
  sync->backfill_rate.Spend(batch.rows.size() + batch.failures.size(), MonotonicNow());
  SubmitPage(context, sync, &batch, version);
  return true;
}

void MeasureRate(SyncRuntime* sync, core::Time now) {
  BackfillState& b = sync->backfill;
  if (now - b.rate_at < kRateInterval) return;
  if (b.rate_at.count() != 0 && b.rows >= b.rate_rows)
    b.rate_millis = (b.rows - b.rate_rows) * 1'000'000'000ull /
                    static_cast<std::uint64_t>((now - b.rate_at).count());
  b.rate_at = now;
  b.rate_rows = b.rows;
}

}  // namespace

bool ReadBackfillPages(WorkerContext* context) {
  bool worked = false;
  for (SyncRuntime* sync : context->Awake()) {
    if (!MayRead(*context, *sync)) continue;
    const std::uint64_t rows = sync->backfill_rate.Allowance(kRowsPerPage, MonotonicNow());
    if (rows == 0) continue;
    worked |= ReadPage(context, sync, static_cast<int>(rows));
  }
  return worked;
}

core::Time NextBackfillPage(const WorkerContext& context, core::Time now) {
  core::Time next = core::kNever;
  for (const SyncRuntime* sync : context.awake)
    if (sync->backfill_rate.limited() && MayRead(context, *sync))
      next = std::min(next, sync->backfill_rate.Next(kRowsPerPage, now));
  return next;
}

bool AcknowledgePages(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  BackfillState& b = sync->backfill;
  if (!b.running) return false;
  const std::uint64_t settled = context->settlement.SettledPage(sync->id, b.last_page);
  while (!b.pages.empty() && b.pages.front().number <= settled) {
    b.acknowledged = std::move(b.pages.front().last_key);
    b.rows += b.pages.front().rows;
    sync->rebuild.fewest += static_cast<std::int64_t>(b.pages.front().documents);
    sync->rebuild.most += static_cast<std::int64_t>(b.pages.front().documents);
    b.pages.pop_front();
    b.dirty = true;
  }
  MeasureRate(sync, now);
  return b.end_reached && b.pages.empty();
}

}  // namespace polyglot::pg
