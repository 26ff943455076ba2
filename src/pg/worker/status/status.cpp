#include "pg/worker/status/status.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "pg/clock.h"
#include "pg/shared/sync_slots.h"
#include "pg/worker/rebuild/refill.h"
#include "pg/worker/state/acknowledged.h"
#include "pg/worker/state/crash_guard.h"
#include "pg/worker/state/generations.h"
#include "pg/worker/state/read_lock.h"
#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {
namespace {

// One log line per change of state.
void ReportState(SyncRuntime* sync, const char* state) {
  if (sync->last_state == state) return;
  ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" is %s", sync->name.c_str(), state)));
  sync->last_state = state;
}

std::int64_t OldestEvent(const SyncRuntime& sync) {
  std::int64_t oldest = sync.oldest_by_scan.empty() ? 0 : sync.oldest_by_scan.begin()->second;
  const ParkedCount& parked = sync.parked.count;
  if (parked.rows > 0 && parked.oldest != 0 && (oldest == 0 || parked.oldest < oldest))
    oldest = parked.oldest;
  if (sync.lagging_since != 0 && (oldest == 0 || sync.lagging_since < oldest))
    oldest = sync.lagging_since;
  if (sync.repair.since != 0 && (oldest == 0 || sync.repair.since < oldest))
    oldest = sync.repair.since;
  return oldest;
}

SyncState StateOf(const SyncRuntime& sync) {
  if (sync.failed) return SyncState::kFailed;
  if (sync.paused) return SyncState::kPaused;
  if (sync.channel == nullptr) return SyncState::kStarting;
  if (!sync.channel->connected() || sync.channel->on_trial()) return SyncState::kDisconnected;
  if (sync.blocked || sync.index.missing) return SyncState::kBlocked;
  if (sync.index.physical == nullptr || !sync.versions.judged) return SyncState::kStarting;
  return sync.Streaming() ? SyncState::kStreaming : SyncState::kBackfilling;
}

// A rebuild shows where nothing worse does.
SyncState StateOf(const SyncRuntime& sync, const SyncRuntime* building) {
  const SyncState state = StateOf(sync);
  const bool passes = state == SyncState::kStreaming || state == SyncState::kBackfilling ||
                      state == SyncState::kStarting || state == SyncState::kBlocked;
  return building != nullptr && passes ? SyncState::kRebuilding : state;
}

const char* NameOf(SyncState state) {
  static constexpr const char* names[] = {"starting", "backfilling",  "streaming", "paused",
                                          "blocked",  "disconnected", "failed",    "rebuilding"};
  return names[static_cast<int>(state)];
}

// What is worth knowing as long as it lasts, whatever the state, and what to do about it.
class Notice {
 public:
  void Add(const std::string& text, const char* hint) {
    if (text.empty()) return;
    text_ += (text_.empty() ? "" : "; ") + text;
    hint_ += (hint_.empty() ? "" : " ") + std::string(hint);
  }
  const std::string& text() const { return text_; }
  const std::string& hint() const { return hint_; }

 private:
  std::string text_, hint_;
};

constexpr char kByItself[] = "Nothing needs to be done.";

Notice NoticeOf(const WorkerContext& context, const SyncRuntime& sync) {
  Notice notice;
  notice.Add(sync.dropped, "The index is filled anew when the server is back.");
  notice.Add(sync.live.trouble, "Remove the cause; it is tried again by itself.");
  notice.Add(RefillNotice(sync), kByItself);
  notice.Add(LockNotice(sync), "The view pg_locks tells who.");
  notice.Add(context.waits_for, "Nothing is delivered before that lock is given back.");
  notice.Add(SetAsideText(),
             "The server log and polyglot.dead_letters tell more; a core file tells why.");
  if (sync.letters_at != core::Time{0})
    notice.Add("an open transaction changes its dead letters: its changes wait for the end of that",
               "Commit it or roll it back.");
  if (sync.lease.watch.active())
    notice.Add(
        "another copy of this database writes to the index, or did until a moment ago: watching "
        "whether it still does",
        "If it is to go on, use another index here; if not, end it.");
  if (!sync.repair.reason.empty())
    notice.Add("index and table are compared, because " + sync.repair.reason, kByItself);
  notice.Add(context.pinned, "Commit it or roll it back.");
  if (sync.stale_share.high)
    notice.Add("more than half of what is sent is stale: another writer, or a wrong epoch",
               "Let nothing else write into the index, then call polyglot.repair_sync.");
  if (sync.index.alias_elsewhere && sync.index.physical != nullptr)
    notice.Add("the alias points elsewhere, searches see other documents: point it to index \"" +
                   *sync.index.physical + "\" again",
               "Or drop the sync.");
  if (!sync.index.alias_shared.empty())
    notice.Add("the alias names index \"" + sync.index.alias_shared +
                   "\" as well, searches see its documents, too",
               "Take the alias away from it, and out of the index template that gives it.");
  return notice;
}

void PublishNotice(const WorkerContext& context, SyncRuntime* sync) {
  const Notice notice = NoticeOf(context, *sync);
  if (sync->notice == notice.text()) return;
  SetSyncNotice(sync->slot, notice.text().c_str(), notice.hint().c_str());
  sync->notice = notice.text();
}

// Why it is as it is: of now, however long ago something else went wrong.
std::string TroubleOf(const SyncRuntime& sync) {
  const Channel* channel = sync.channel;
  if (channel == nullptr || sync.failed || sync.paused) return {};
  if (!channel->connected() || channel->on_trial()) return channel->why;
  const bool unusable = sync.index.step == IndexStep::kUnavailable || sync.index.missing;
  return sync.blocked || unusable ? sync.why : std::string();
}

void PublishTrouble(SyncRuntime* sync) {
  std::string trouble = TroubleOf(*sync);
  if (sync->trouble == trouble) return;
  const Channel* channel = sync->channel;
  const bool denied = channel != nullptr && !channel->connected() && channel->denied();
  const bool no_index = sync->index.physical == nullptr || sync->index.missing;
  SetSyncTrouble(sync->slot, trouble.c_str(), denied, no_index);
  sync->trouble = std::move(trouble);
}

void PublishState(SyncRuntime* sync, SyncState state) {
  const auto now = static_cast<uint64>(state);
  if (pg_atomic_read_u64(&sync->slot->state_since) == 0 ||
      pg_atomic_read_u64(&sync->slot->state) != now)
    pg_atomic_write_u64(&sync->slot->state_since, static_cast<uint64>(GetCurrentTimestamp()));
  pg_atomic_write_u64(&sync->slot->state, now);
}

void PublishSync(WorkerContext* context, SyncRuntime* sync) {
  if (sync->IsBuilding()) return;
  if (sync->Streaming()) {
    sync->dropped.clear();
    sync->lagging_since = 0;
  }
  const SyncRuntime* building = BuildingOf(context, *sync);
  if (building != nullptr && building->rebuild.reason.starts_with("events dropped"))
    sync->dropped = building->rebuild.reason;
  const SyncState state = StateOf(*sync, building);
  ReportState(sync, NameOf(state));
  SyncSlot* slot = sync->slot;
  if (slot == nullptr) return;
  PublishAcknowledged(*sync);
  PublishNotice(*context, sync);
  PublishTrouble(sync);
  PublishState(sync, state);
  const std::uint64_t parked = sync->parked.count.rows;
  pg_atomic_write_u64(&slot->pending, context->settlement.OutstandingEvents(sync->id) + parked);
  pg_atomic_write_u64(&slot->parked_bytes, sync->parked.count.bytes);
  pg_atomic_write_u64(&slot->oldest_event, static_cast<uint64>(OldestEvent(*sync)));
  pg_atomic_write_u64(&slot->parked, sync->parked.count.rows);
  const BackfillState& backfill = building == nullptr ? sync->backfill : building->backfill;
  pg_atomic_write_u64(&slot->backfill_rows, backfill.rows);
  pg_atomic_write_u64(&slot->backfill_total, std::max(backfill.total, backfill.rows));
  pg_atomic_write_u64(&slot->rate_millis, backfill.running ? backfill.rate_millis : 0);
}

void CopyText(char* out, std::size_t size, const std::string& text) {
  strlcpy(out, core::SanitiseText(text, size - 1).c_str(), size);
}

bool IsDenied(const Channel& channel) { return !channel.connected() && channel.denied(); }

// One that a sync uses: another may be left of a user mapping that nobody has any more. Of several
// one whose credentials are refused, or else the first.
Channel* ChannelToShow(const WorkerContext& context) {
  Channel* shown = nullptr;
  for (const auto& channel : context.channels)
    for (const auto& [id, sync] : context.syncs)
      if (sync->channel == channel.get() &&
          (shown == nullptr || (!IsDenied(*shown) && IsDenied(*channel))))
        shown = channel.get();
  return shown != nullptr ? shown : context.channels.front().get();
}

// A node that answers is well, but of no use to those whose credentials it does not take.
net::NodeStatus WithDenial(const Channel& channel, net::NodeStatus node) {
  if (!IsDenied(channel) || (node.last_status != 401 && node.last_status != 403)) return node;
  node.state = "denied (HTTP " + std::to_string(node.last_status) + ")";
  node.last_error = channel.why;
  return node;
}

void PublishNodes(WorkerContext* context) {
  if (context->channels.empty()) return;
  Channel* channel = ChannelToShow(*context);
  const core::Time now = MonotonicNow();
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  int count = 0;
  for (const net::NodeStatus& seen : channel->client().Nodes()) {
    if (count == kMaxNodes) break;
    const net::NodeStatus node = WithDenial(*channel, seen);
    NodeSlot& out = context->slot->nodes[count++];
    CopyText(out.url, sizeof out.url, node.url);
    CopyText(out.state, sizeof out.state, node.state);
    CopyText(out.last_error, sizeof out.last_error, node.last_error);
    out.in_flight = static_cast<int32>(node.in_flight);
    out.last_latency_us = node.last_latency.count();
    out.backoff_until =
        node.backoff_until > now ? GetCurrentTimestamp() + (node.backoff_until - now).count() : 0;
  }
  context->slot->node_count = count;
  LWLockRelease(Shared()->lock);
}

}  // namespace

void PublishWaiting(WorkerContext* context) {
  for (auto& [id, sync] : context->syncs)
    if (!sync->IsBuilding() && sync->slot != nullptr) PublishNotice(*context, sync.get());
  pg_atomic_write_u64(&context->slot->published_at, static_cast<uint64>(GetCurrentTimestamp()));
}

void PublishStatus(WorkerContext* context) {
  for (SyncRuntime* sync : context->Awake()) PublishSync(context, sync);
  PublishNodes(context);
  WorkerSlot* slot = context->slot;
  pg_atomic_write_u64(&slot->scanned_at, static_cast<uint64>(context->previous_scan_at));
  pg_atomic_write_u64(&slot->published_at, static_cast<uint64>(GetCurrentTimestamp()));
}

}  // namespace polyglot::pg
