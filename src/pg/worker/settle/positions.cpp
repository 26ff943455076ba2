#include "pg/worker/settle/positions.h"

#include <algorithm>
#include <utility>

#include "pg/worker/feed/queue_intake.h"
#include "pg/worker/settle/queue_limit.h"
#include "pg/worker/state/acknowledged.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kSaveInterval{5'000'000};
constexpr std::uint64_t kSaveEvents = 100000;
constexpr core::Time kRotateInterval{1'000'000};
constexpr core::Time kPinned{10'000'000};  // without a lock for so long: somebody is named
constexpr BlockNumber kRotateBlocks = 64;

bool Answers(const SyncRuntime& sync) {
  return sync.Streaming() && !sync.Parks() && sync.parked.count.rows == 0 &&
         sync.unconfirmed.empty() && sync.repair.reason.empty();
}

bool AnswerRequests(SyncRuntime* sync, std::uint64_t request) {
  if (sync->slot == nullptr || !Answers(*sync)) return false;
  if (pg_atomic_read_u64(&sync->slot->settled_request) >= request) return false;
  PublishAcknowledged(*sync);  // who was told that it is settled may look
  pg_atomic_write_u64(&sync->slot->settled_request, request);
  return true;
}

bool AllSettled(const WorkerContext& context, std::uint64_t scan) {
  if (scan > context.CompletedScan()) return false;
  const std::uint64_t lowest = context.settlement.LowestScan();
  return lowest == 0 || lowest > scan;
}

// One attempt to empty a table that is no longer written to.
void Empty(WorkerContext* context, int table, core::Time now) {
  QueueRows rows;
  QueueReader::Rotation result = QueueReader::Rotation::kLocked;
  InTransaction([&] {
    if (!context->reader->Exists()) return;
    // Asked under the lock: whoever created a sync and wrote events of it has let go of it. And
    // before rows are read: what is read counts as delivered.
    if (!context->reader->TryLock(table) || DefinitionsChanged(context)) return;
    result = context->reader->PrepareRotation(table, now, &rows);
    if (result == QueueReader::Rotation::kFoundRows) {
      FlushEverythingVisible();
      TakeQueueRows(context, rows);
    } else if (result == QueueReader::Rotation::kReady) {
      WriteControl(context);
      context->reader->Truncate(table);
    }
  });
  if (result == QueueReader::Rotation::kReady) {
    context->reader->Truncated(table);
    context->events_since_save = 0;
  }
  if (result != QueueReader::Rotation::kLocked) {
    context->locked_since = core::Time{0};
    context->pinned.clear();
  } else if (context->locked_since == core::Time{0}) {
    context->locked_since = now;
  } else if (now - context->locked_since >= kPinned) {
    InTransaction([&] { NotePinned(context); });
  }
  if (result == QueueReader::Rotation::kMismatch)
    ereport(LOG, (errmsg("polyglot_sync: queue %d is read again: its rows were rewritten",
                         context->queue)));
}

// What waits for long must not keep all scans since. A position moves to the newest scan below an
// outstanding number, never to one between two of them.
void ForgetScans(WorkerContext* context) {
  constexpr std::size_t kFew = 1000;
  std::deque<ScanInfo> kept;
  const std::vector<std::uint64_t> outstanding = context->settlement.OutstandingScans();
  auto next = outstanding.begin();
  for (std::size_t i = 0; i < context->scans.size(); ++i) {
    while (next != outstanding.end() && *next <= context->scans[i].number) ++next;
    const bool newest = i + 1 == context->scans.size();
    if (newest || (next != outstanding.end() && *next <= context->scans[i + 1].number))
      kept.push_back(std::move(context->scans[i]));
  }
  context->scans = std::move(kept);
  context->forget_scans_at = 2 * context->scans.size() + kFew;
  for (auto& [id, sync] : context->syncs)
    std::erase_if(sync->oldest_by_scan, [&, number = id](const auto& entry) {
      return !context->settlement.ScanOutstanding(number, entry.first);
    });
}

}  // namespace

// What rests waits for nothing: its position is that of the newest scan, and is looked up when
// somebody needs it.
void AdvancePositions(WorkerContext* context) {
  bool answered = false;
  std::uint64_t lowest = context->CompletedScan();
  const std::uint64_t request = context->scans.empty() ? 0 : context->scans.back().request;
  const bool asked = request > std::exchange(context->answered_request, request);
  if (asked) context->WakeAll();
  for (SyncRuntime* sync : context->awake) {
    const ScanInfo* scan = AdvancePosition(context, sync, &lowest);
    if (scan != nullptr) answered |= AnswerRequests(sync, scan->request);
  }
  // The newest settled scan stays: it is the position of syncs that wait for nothing.
  while (context->scans.size() > 1 && context->scans[1].number <= lowest)
    context->scans.pop_front();
  if (context->scans.size() >= context->forget_scans_at) ForgetScans(context);
  if (answered) ConditionVariableBroadcast(&Shared()->settled);
}

void SavePositions(WorkerContext* context, core::Time now, bool force) {
  core::Time& saved_at = context->moments.positions_saved;
  if (!force && context->events_since_save == 0) return;
  if (!force && context->events_since_save < kSaveEvents && now - saved_at < kSaveInterval) return;
  saved_at = now;
  context->events_since_save = 0;
  InTransaction([&] {
    if (context->reader->Exists()) WriteControl(context);
  });
}

void RotateQueue(WorkerContext* context, core::Time now) {
  core::Time& tried_at = context->moments.rotation_tried;
  if (now - tried_at < kRotateInterval || context->reader->in_pass()) return;
  const int current = static_cast<int>(pg_atomic_read_u32(&context->slot->current_table) & 1);
  const int other = 1 - current;
  if (context->reader->Blocks(other) > 0) {
    tried_at = now;
    if (AllSettled(*context, context->last_scan_with_rows[other])) Empty(context, other, now);
  } else if (context->reader->Blocks(current) >= kRotateBlocks) {
    tried_at = now;
    pg_atomic_write_u32(&context->slot->current_table, static_cast<uint32>(other));
  }
}

}  // namespace polyglot::pg
