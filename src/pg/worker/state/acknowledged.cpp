#include "pg/worker/state/acknowledged.h"

#include <algorithm>

#include "core/queue/control_record.h"
#include "core/queue/queue_record.h"
#include "pg/clock.h"
#include "pg/queue/queue_writer.h"
#include "pg/worker/state/counters.h"
#include "pg/worker/state/generations.h"

namespace polyglot::pg {
namespace {

const ScanInfo* ScanAt(const WorkerContext& context, std::uint64_t number) {
  for (auto it = context.scans.rbegin(); it != context.scans.rend(); ++it)
    if (it->number <= number) return &*it;
  return nullptr;
}

constexpr std::int64_t kRecordsPerStep = 5000;

std::vector<std::string> EncodePositions(WorkerContext* context) {
  core::ControlRecord control;
  control.sequence = ++context->control_sequence;
  std::uint64_t lowest = context->CompletedScan();
  for (auto& [id, sync] : context->syncs) {
    AdvancePosition(context, sync.get(), &lowest);
    if (sync->slot != nullptr) sync->position.counters = ReadCounters(*sync->slot);
    if (sync->position.snapshot.xmax != 0) control.positions[id] = sync->position;
  }
  return core::EncodeControl(control, static_cast<std::size_t>(kMaxQueueData));
}

}  // namespace

// The newest full scan that is settled; nullptr: none yet.
const ScanInfo* AdvancePosition(WorkerContext* context, SyncRuntime* sync, std::uint64_t* lowest) {
  const std::uint64_t settled = context->settlement.SettledScan(sync->id, context->CompletedScan());
  *lowest = std::min(*lowest, settled);
  const ScanInfo* scan = ScanAt(*context, settled);
  while (!sync->oldest_by_scan.empty() && sync->oldest_by_scan.begin()->first <= settled)
    sync->oldest_by_scan.erase(sync->oldest_by_scan.begin());
  if (scan == nullptr) return nullptr;
  if (scan->number > sync->settled_scan) {
    sync->settled_scan = scan->number;
    sync->position.snapshot = scan->snapshot;
    sync->has_start = false;  // from here on the reader remembers what it delivered
  }
  return scan;
}

void PublishAcknowledged(const SyncRuntime& sync) {
  const core::Snapshot& acked = sync.position.snapshot;
  SyncSlot* slot = sync.slot;
  const bool fits = acked.running.size() <= static_cast<std::size_t>(kMaxRunning);
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  slot->acked_xmin = acked.xmin;
  slot->acked_xmax = fits ? acked.xmax : acked.running.front();
  slot->acked_count = 0;
  if (fits)
    for (std::uint64_t xid : acked.running) slot->acked_running[slot->acked_count++] = xid;
  LWLockRelease(Shared()->lock);
}

void ReadPositions(WorkerContext* context) {
  core::ControlAssembler assembler;
  InTransaction([&] {
    if (!context->reader->Exists()) return;
    QueueRows rows;
    bool complete = false;
    while (!complete) {
      complete = context->reader->Step(true, kRecordsPerStep, MonotonicNow(), &rows);
      for (const QueueRow& row : rows.rows) {
        if (row.instance != context->instance) continue;
        core::RecordReader reader(rows.Data(row));
        core::KeyEvent event;
        if (reader.Next(&event) && event.kind == core::EventKind::kControl)
          assembler.Add(event.values);
      }
      rows.Clear();
    }
  });
  context->reader->Reset();
  core::ControlRecord newest;
  if (!assembler.Newest(&newest)) return;
  context->control_sequence = newest.sequence;
  for (auto& [id, position] : newest.positions) {
    SyncRuntime* sync = context->Find(id);
    if (sync == nullptr) continue;
    sync->has_start = true;
    sync->start = position.snapshot;
    sync->position = position;
  }
}

// Into the current table: never the one that is being emptied.
void WriteControl(WorkerContext* context) {
  StoreDocumentCounts(context);
  const std::vector<std::string> rows = EncodePositions(context);
  QueueWriter writer;
  if (!OpenQueue(context->queue, false, &writer)) return;
  for (const std::string& row : rows)
    WriteQueueRow(&writer, row.data(), static_cast<int>(row.size()), 1);
  CloseQueue(&writer);
}

}  // namespace polyglot::pg
