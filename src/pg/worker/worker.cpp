// The worker of one (database, server): the only writer of that server's indexes. Its loop
// alternates PostgreSQL phases (short transactions) with C++ phases (encode, send, classify) and
// waits in one place only. An ERROR ends the process; the launcher starts it again, and everything
// that matters is in tables.

#include <sys/epoll.h>

#include <algorithm>

#include "pg/capture/capture_plan.h"
#include "pg/catalog.h"
#include "pg/guard.h"
#include "pg/worker/backfill.h"
#include "pg/worker/change_feed.h"
#include "pg/worker/configuration.h"
#include "pg/worker/epoch.h"
#include "pg/worker/fault_limits.h"
#include "pg/worker/index_drops.h"
#include "pg/worker/index_keeper.h"
#include "pg/worker/launcher.h"
#include "pg/worker/outcomes.h"
#include "pg/worker/parking.h"
#include "pg/worker/positions.h"
#include "pg/worker/queue_limit.h"
#include "pg/worker/records.h"
#include "pg/worker/resync.h"
#include "pg/worker/worker_context.h"

extern "C" {
PGDLLEXPORT void polyglot_worker_main(Datum argument);
}

namespace polyglot::pg {

void ReportState(SyncRuntime* sync, const char* state) {
  if (sync->last_state == state) return;
  ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" is %s", sync->name.c_str(), state)));
  sync->last_state = state;
}

void WorkerContext::WatchChannel(Channel* channel) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = channel->poll_fd();
  if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, channel->poll_fd(), &event) != 0)
    ereport(ERROR, (errcode_for_socket_access(), errmsg("could not watch a connection: %m")));
}

namespace {

constexpr core::Time kScanInterval{1'000'000};
constexpr core::Time kTriggerInterval{60'000'000};
constexpr core::Time kStatusInterval{50'000};
constexpr core::Time kProgressInterval{2'000'000};

class Worker {
 public:
  explicit Worker(WorkerSlot* slot) {
    context_.slot = slot;
    context_.server = slot->server;
    context_.queue = slot->queue;
    context_.started_at = MonotonicNow();
    context_.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (context_.poll_fd < 0)
      ereport(ERROR, (errcode_for_socket_access(), errmsg("could not create an epoll fd: %m")));
  }

  void Run() {
    Start();
    while (!context_.leave) {
      CHECK_FOR_INTERRUPTS();
      ReloadSettings();
      Turn();
    }
  }

 private:
  void Start();
  void Turn();
  bool Feed(core::Time now);
  bool ScanDue(core::Time now) const;
  void Pump(core::Time now);
  void StoreFindings(core::Time now);
  void StoreFinding(SyncRuntime* sync);
  void FinishBackfill(SyncRuntime* sync, core::Time now);
  void StoreProgress(core::Time now);
  void ServeRefreshes(core::Time now);
  void ServeRunNow(core::Time now);
  void Wait(core::Time now, bool busy);
  void LookAtLatch();
  core::Time NextDeadline(core::Time now) const;
  void RestoreCounters();
  void ReloadSettings();

  WorkerContext context_;
  core::Time last_scan_{0}, last_full_scan_{0}, last_find_{0};
  core::Time triggers_checked_{0}, status_at_{0};
  std::uint64_t last_request_ = 0;
  bool woken_ = true, armed_ = false;
};

void Worker::ReloadSettings() {
  if (!ConfigReloadPending) return;
  ConfigReloadPending = false;
  ProcessConfigFile(PGC_SIGHUP);
}

void Worker::Start() {
  context_.config_generation = pg_atomic_read_u64(&Shared()->config_generation);
  QueueTables tables;
  bool found = false;
  InTransaction([&] { found = ExtensionExists() && LookupQueue(context_.queue, &tables); });
  if (!found) {
    context_.leave = true;
    return;
  }
  context_.reader = std::make_unique<QueueReader>(tables.tables);
  LoadConfiguration(&context_);
  if (context_.leave) return;
  ReadPositions(&context_);
  RestoreCounters();
}

// Shared memory starts empty after a crash; the counters are saved with the position.
void Worker::RestoreCounters() {
  for (auto& [id, sync] : context_.syncs) {
    const core::SavedCounters& saved = sync->position.counters;
    if (sync->slot == nullptr || saved.since == 0 || sync->slot->since <= saved.since) continue;
    SyncCounters& c = sync->slot->counters;
    pg_atomic_fetch_add_u64(&c.delivered, static_cast<int64>(saved.delivered));
    pg_atomic_fetch_add_u64(&c.deleted, static_cast<int64>(saved.deleted));
    pg_atomic_fetch_add_u64(&c.stale, static_cast<int64>(saved.stale));
    pg_atomic_fetch_add_u64(&c.retried, static_cast<int64>(saved.retried));
    pg_atomic_fetch_add_u64(&c.dead_letters, static_cast<int64>(saved.dead_letters));
    sync->slot->since = saved.since;
  }
}

void Worker::Pump(core::Time now) {
  for (auto& channel : context_.channels) channel->Pump(now);
}

bool Worker::ScanDue(core::Time now) const {
  if (context_.reader->in_pass()) return true;
  if (pg_atomic_read_u64(&Shared()->request) != last_request_) return true;
  if (now - last_full_scan_ >= kScanInterval) return true;
  // Linger: while events keep coming, a scan takes those of a short while together.
  return woken_ && now - last_find_ >= context_.linger;
}

bool Worker::Feed(core::Time now) {
  bool busy = false;
  if (ScanDue(now)) {
    // Whoever waits for a position needs a full scan; for events the recently changed blocks do.
    const std::uint64_t request = pg_atomic_read_u64(&Shared()->request);
    const bool full = now - last_full_scan_ >= kScanInterval || request != last_request_;
    woken_ = false;
    last_scan_ = now;
    if (full && !context_.reader->in_pass()) {
      last_full_scan_ = now;
      last_request_ = request;
    }
    const std::int64_t records = ReadQueue(&context_, full);
    if (records < 0) return woken_ = true;
    if (records > 0) last_find_ = MonotonicNow();
    busy |= records > 0 || context_.reader->in_pass();
  }
  busy |= ReadRowsAgain(&context_);
  busy |= ReadBackfillPages(&context_);
  return busy;
}

// A busy worker does not come to wait, but who set its latch must not wait for that.
void Worker::LookAtLatch() {
  if (!MyLatch->is_set) return;
  ResetLatch(MyLatch);
  pg_atomic_write_u32(&context_.slot->asleep, 0);
  armed_ = false;
  woken_ = true;
}

void Worker::Turn() {
  LookAtLatch();
  const core::Time now = MonotonicNow();
  const std::uint64_t generation = pg_atomic_read_u64(&Shared()->config_generation);
  // A probe takes `wanted` back after the change that let it find nothing here.
  if (generation != context_.config_generation || !context_.slot->wanted) {
    context_.config_generation = generation;
    LoadConfiguration(&context_);
    if (context_.leave) return;
  }
  ServeRunNow(now);
  Pump(now);
  TakeDeliveryEvents(&context_, now);
  bool busy = SettleOutcomes(&context_);
  StoreFindings(now);
  KeepVersions(&context_, now);
  AdvanceResyncs(&context_, now);
  ReloadCredentials(&context_, now);
  KeepIndexes(&context_, now);
  NoteAway(&context_, now);
  ProbeBlocked(&context_, now);
  ParkWaiting(&context_);
  busy |= DrainParked(&context_);
  busy |= Feed(now);
  if (context_.leave) return;
  Pump(MonotonicNow());
  AdvancePositions(&context_);
  SavePositions(&context_, now, false);
  RotateQueue(&context_, now);
  LimitQueue(&context_, now);
  ServeRefreshes(now);
  AdvanceIndexDrops(&context_, now);
  StoreIndexDrops(&context_);
  if (now - triggers_checked_ >= kTriggerInterval) {
    triggers_checked_ = now;
    CheckTriggers(&context_);
  }
  if (!busy || now - status_at_ >= kStatusInterval) {
    status_at_ = now;
    PublishStatus(&context_);
  }
  if (context_.answered) {
    context_.answered = false;
    ConditionVariableBroadcast(&Shared()->settled);
  }
  Wait(MonotonicNow(), busy);
}

// What the C++ phases have found out and must be durable.
void Worker::StoreFinding(SyncRuntime* sync) {
  if (!sync->failure.empty()) {
    FailSync(&context_, sync, sync->failure.c_str(), sync->failure_hint.c_str());
    sync->failure.clear();
  }
  if (sync->index.dirty) {
    StoreIndex(sync->id, sync->index);
    sync->index.dirty = false;
  }
  if (ResyncDue(*sync)) RequestResync(sync, std::string(sync->resync_wanted).c_str());
  if (sync->index.lost) {
    RequestResync(sync, "its index is missing or was replaced");
    // What waits names the lost index: it must not be sent when the new one is there.
    ReadOlderAgain(&context_, sync);
    ReadUnconfirmedAgain(&context_, sync);
    sync->index.lost = false;
  }
  if (sync->resync.ended) {
    StorePhase(sync->id, sync->backfill.running ? "backfill" : "stream");
    sync->resync.ended = false;
  }
}

void Worker::StoreFindings(core::Time now) {
  bool any = false;
  for (const auto& [id, sync] : context_.syncs)
    any |= !sync->failure.empty() || sync->index.dirty || sync->index.lost || sync->resync.ended ||
           ResyncDue(*sync);
  if (any)
    InTransaction([&] {
      for (auto& [id, sync] : context_.syncs) StoreFinding(sync.get());
    });
  for (auto& [id, sync] : context_.syncs)
    if (AcknowledgePages(&context_, sync.get(), now)) FinishBackfill(sync.get(), now);
  StoreProgress(now);
}

// Searches must not see a half-filled index under a name that had a full one: the alias is switched
// first, then the backfill counts as ended.
void Worker::FinishBackfill(SyncRuntime* sync, core::Time now) {
  if (sync->index.alias_pending) {
    SwitchAlias(&context_, sync, now);
    return;
  }
  sync->backfill.running = false;
  sync->backfill.dirty = false;
  InTransaction([&] {
    StoreBackfill(sync->id, sync->backfill);
    if (sync->resync.step == ResyncState::Step::kNone) StorePhase(sync->id, "stream");
  });
  ereport(LOG, (errmsg("polyglot_sync: backfill of sync \"%s\" has ended: %llu rows",
                       sync->name.c_str(), static_cast<unsigned long long>(sync->backfill.rows))));
}

void Worker::StoreProgress(core::Time now) {
  for (auto& [id, sync] : context_.syncs) {
    BackfillState& backfill = sync->backfill;
    if (!backfill.running || !backfill.dirty || now - backfill.stored_at < kProgressInterval)
      continue;
    backfill.stored_at = now;
    backfill.dirty = false;
    InTransaction([&] { StoreBackfill(sync->id, backfill); });
  }
}

void Worker::ServeRefreshes(core::Time now) {
  for (auto& [id, sync] : context_.syncs) {
    SyncSlot* slot = sync->slot;
    if (slot == nullptr || sync->index.step != IndexStep::kReady || now < sync->index.refresh_at)
      continue;
    const std::uint64_t wanted = pg_atomic_read_u64(&slot->refresh_wanted);
    if (wanted <= pg_atomic_read_u64(&slot->refresh_done)) continue;
    sync->index.refresh_at = now + kScanInterval;  // not again while the answer is under way
    WorkerContext* context = &context_;
    sync->channel->Ask("POST",
                       "/" + net::SearchClient::EncodePath(*sync->index.physical) + "/_refresh", "",
                       now, [context, wanted, number = id](const net::Response& response) {
                         SyncRuntime* refreshed = context->Find(number);
                         if (refreshed == nullptr) return;
                         refreshed->index.refresh_at = core::Time{0};
                         if (!response.reply.transport_ok || response.reply.http_status != 200)
                           return;
                         pg_atomic_write_u64(&refreshed->slot->refresh_done, wanted);
                         context->answered = true;
                       });
  }
}

// run_sync: whoever asks does not want to wait for a back-off.
void Worker::ServeRunNow(core::Time now) {
  if (pg_atomic_read_u32(&context_.slot->run_now) == 0) return;
  pg_atomic_write_u32(&context_.slot->run_now, 0);
  for (auto& channel : context_.channels) {
    channel->client().ResetBackoff();
    channel->delivery().ResetBackoff(now);
    channel->configured_at = core::Time{0};
    channel->ProbeAtOnce();
  }
  for (auto& [id, sync] : context_.syncs) {
    sync->index.retry_at = std::min(sync->index.retry_at, now);
    sync->blocked_until = core::Time{0};
  }
}

core::Time Worker::NextDeadline(core::Time now) const {
  core::Time next = last_full_scan_ + kScanInterval;
  for (const auto& channel : context_.channels) next = std::min(next, channel->NextDeadline(now));
  next = std::min(next, NextIndexDeadline(context_, now));
  for (const auto& [id, sync] : context_.syncs)
    if (sync->resync.step != ResyncState::Step::kNone && !sync->resync.request_active &&
        sync->Sends())
      next = std::min(next, std::max(sync->resync.retry_at, now + core::Time{20'000}));
  if (woken_) next = std::min(next, last_find_ + context_.linger);
  return next;
}

// Arm first, then scan, then sleep: an event that comes after the scan finds the flag and sets the
// latch; one that came before it is found.
void Worker::Wait(core::Time now, bool busy) {
  static uint32 idle_event = NamedWaitEvent("PolyglotSyncIdle");
  static uint32 http_event = NamedWaitEvent("PolyglotSyncHttp");
  WorkerSlot* slot = context_.slot;
  if (busy) {
    armed_ = false;
    pg_atomic_write_u32(&slot->asleep, 0);
    return;
  }
  if (!armed_ && !woken_) {
    pg_atomic_write_u32(&slot->asleep, 1);
    pg_memory_barrier();
    armed_ = woken_ = true;
  }
  const bool scanned = !woken_;
  core::Time wait = NextDeadline(now) - now;
  if (!scanned) wait = std::min(wait, std::max(last_find_ + context_.linger - now, core::Time{0}));
  if (wait <= core::Time{0}) return;
  bool sending = false;
  for (const auto& channel : context_.channels) sending |= channel->client().InFlight() > 0;
  const int events = WaitLatchOrSocket(
      MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
      context_.poll_fd, static_cast<long>((wait.count() + 999) / 1000),
      sending ? http_event : idle_event);
  if ((events & WL_LATCH_SET) != 0) LookAtLatch();
}

void Detach(int, Datum argument) {
  WorkerSlot* slot = &Shared()->workers[DatumGetInt32(argument)];
  slot->process_number = -1;
  pg_atomic_write_u32(&slot->asleep, 0);
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  slot->pid = 0;
  LWLockRelease(Shared()->lock);
  WakeLauncher();
}

WorkerSlot* Attach(int index) {
  WorkerSlot* slot = &Shared()->workers[index];
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  const bool wanted = slot->wanted && OidIsValid(slot->database);
  // One that an earlier launcher started is still there: never two for one server.
  const bool taken = slot->pid != 0;
  if (wanted && !taken) {
    slot->pid = MyProcPid;
    strlcpy(slot->state, "running", sizeof slot->state);
  }
  LWLockRelease(Shared()->lock);
  if (!wanted || taken) proc_exit(0);
  // Before the connection is made: exit callbacks run in reverse order, so a cleared pid means
  // gone.
  before_shmem_exit(Detach, Int32GetDatum(index));
  slot->process_number = MyProcessNumber();
  return slot;
}

// What ALTER DATABASE or ALTER ROLE may have set and would change documents or block the worker.
void PinSettings() {
  static constexpr const char* pinned[][2] = {{"statement_timeout", "0"},
                                              {"lock_timeout", "0"},
                                              {"idle_in_transaction_session_timeout", "0"},
                                              {"idle_session_timeout", "0"},
                                              {"default_transaction_isolation", "read committed"},
                                              {"default_transaction_read_only", "off"},
                                              {"default_transaction_deferrable", "off"},
                                              {"jit", "off"},
                                              {"max_parallel_workers_per_gather", "0"},
                                              {"DateStyle", "ISO, MDY"},
                                              {"IntervalStyle", "iso_8601"},
                                              {"TimeZone", "UTC"},
                                              {"extra_float_digits", "1"},
                                              {"bytea_output", "hex"},
                                              {"lc_monetary", "C"},
                                              {"search_path", "pg_catalog, pg_temp"},
                                              {"synchronous_commit", "on"}};
  for (const auto& [name, value] : pinned) SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

}  // namespace
}  // namespace polyglot::pg

void polyglot_worker_main(Datum argument) {
  using namespace polyglot::pg;
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  WorkerSlot* slot = Attach(DatumGetInt32(argument));
  BackgroundWorkerInitializeConnectionByOid(slot->database, InvalidOid, 0);
  PinSettings();
  ApplyFaultLimits();
  pgstat_report_appname(kWorkerType);
  ereport(LOG, (errmsg("polyglot_sync worker started for server %u", slot->server)));
  // One heap pointer: an ERROR below ends the process without unwinding this frame.
  Enter([slot] {
    auto* worker = new Worker(slot);
    worker->Run();
  });
  slot->healthy_since = GetCurrentTimestamp();  // left of its own will: no back-off
  ereport(LOG, (errmsg("polyglot_sync worker for server %u has nothing left to do", slot->server)));
  proc_exit(0);
}
