// The worker of one (database, server): the only writer of that server's indexes. Its loop
// alternates PostgreSQL phases (short transactions) with C++ phases (encode, send, classify) and
// waits in one place only. An ERROR ends the process; the launcher starts it again, and everything
// that matters is in tables.

#include <sys/epoll.h>

#include <algorithm>

#include "core/queue/gathering.h"
#include "pg/catalog/own_relations.h"
#include "pg/catalog/queue_tables.h"
#include "pg/clock.h"
#include "pg/fault_points.h"
#include "pg/guard.h"
#include "pg/launcher/launcher.h"
#include "pg/launcher/pinned_settings.h"
#include "pg/shared/worker_slots.h"
#include "pg/source/tree_lock.h"
#include "pg/worker/attention.h"
#include "pg/worker/feed/backfill.h"
#include "pg/worker/feed/queue_intake.h"
#include "pg/worker/feed/reread.h"
#include "pg/worker/own_tables.h"
#include "pg/worker/rebuild/rebuild.h"
#include "pg/worker/rebuild/resync.h"
#include "pg/worker/search/epoch_keeper.h"
#include "pg/worker/search/index_drops.h"
#include "pg/worker/search/index_keeper.h"
#include "pg/worker/search/lease_keeper.h"
#include "pg/worker/settle/outcomes.h"
#include "pg/worker/settle/parking.h"
#include "pg/worker/settle/positions.h"
#include "pg/worker/settle/queue_limit.h"
#include "pg/worker/settle/sync_progress.h"
#include "pg/worker/setup/configuration.h"
#include "pg/worker/source_checks.h"
#include "pg/worker/state/acknowledged.h"
#include "pg/worker/state/counters.h"
#include "pg/worker/state/crash_guard.h"
#include "pg/worker/state/pipeline.h"
#include "pg/worker/state/read_lock.h"
#include "pg/worker/state/worker_context.h"
#include "pg/worker/status/inspections.h"
#include "pg/worker/status/last_errors.h"
#include "pg/worker/status/requests.h"
#include "pg/worker/status/status.h"
#include "pg/worker/verify/verification.h"

extern "C" {
PGDLLEXPORT void polyglot_worker_main(Datum argument);
}

namespace polyglot::pg {

void WorkerContext::WatchChannel(Channel* channel) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = channel->poll_fd();
  if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, channel->poll_fd(), &event) != 0)
    ereport(ERROR, (errcode_for_socket_access(), errmsg("could not watch a connection: %m")));
}

namespace {

constexpr core::Time kScanInterval{1'000'000};
constexpr core::Time kSourceInterval{60'000'000}, kSourceRetry{1'000'000};
constexpr core::Time kStatusInterval{50'000};

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

  WorkerContext* context() { return &context_; }

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
  bool RequestWaits() const;
  bool Called() const;
  bool Pump();
  void Wait(core::Time now, bool busy);
  void LookAtLatch();
  core::Time NextDeadline(core::Time now) const;
  void ReloadSettings();

  WorkerContext context_;
  core::Gathering gathering_;
  core::Time last_full_scan_{0};
  core::Time sources_checked_{0}, status_at_{0};
  bool woken_ = true, armed_ = false;
};

void Worker::ReloadSettings() {
  if (!ConfigReloadPending) return;
  ConfigReloadPending = false;
  ProcessConfigFile(PGC_SIGHUP);
  sources_checked_ = core::Time{0};
}

void Worker::Start() {
  context_.config_generation = pg_atomic_read_u64(&Shared()->config_generation);
  WatchOwnTables(&context_);
  QueueTables tables;
  bool found = false;
  InTransaction([&] { found = ExtensionExists() && LookupQueue(context_.queue, &tables); });
  if (!found) {
    context_.leave = true;
    return;
  }
  context_.reader = std::make_unique<QueueReader>(tables.tables);
  InTransaction([&] { LoadLeaseIdentity(&context_); });
  LoadConfiguration(&context_);
  if (context_.leave) return;
  LoadCrashGuard(&context_);
  ReadPositions(&context_);
  RestoreCounters(&context_);
}

bool Worker::Pump() {
  const core::Time now = MonotonicNow();  // this process may have stood still
  bool answered = false;
  HoldWithoutLease(&context_, now);
  for (auto& channel : context_.channels) answered |= channel->Pump(now);
  return answered;
}

// Somebody waits for a full scan that has not begun yet.
bool Worker::RequestWaits() const {
  return pg_atomic_read_u64(&Shared()->request) >
         (context_.scans.empty() ? 0 : context_.scans.back().request);
}

bool Worker::ScanDue(core::Time now) const {
  if (context_.reader->in_pass() || RequestWaits()) return true;
  if (now - last_full_scan_ >= kScanInterval) return true;
  // While events keep coming, a scan takes those of a short while together.
  return woken_ && now >= gathering_.Due(context_.linger);
}

bool Worker::Feed(core::Time now) {
  bool busy = false;
  if (ScanDue(now)) {
    // Whoever waits for a position needs a full scan; for events the recently changed blocks do.
    const bool full = now - last_full_scan_ >= kScanInterval || RequestWaits();
    woken_ = false;
    if (full && !context_.reader->in_pass()) last_full_scan_ = now;
    const std::int64_t records = ReadQueue(&context_, full);
    if (records < 0) return woken_ = true;
    gathering_.Found(records, MonotonicNow());
    // A pass that the full pipeline holds up goes on when answers have come.
    busy |= records > 0 || (context_.reader->in_pass() && !HeldUp(context_));
  }
  busy |= ReadRowsAgain(&context_);
  busy |= ReadBackfillPages(&context_);
  return busy;
}

// Who wakes a worker that is armed takes its flag away first. The latch alone would not do: a wait
// for a lock in a PostgreSQL phase resets it (ProcSleep).
bool Worker::Called() const {
  if (armed_ && pg_atomic_read_u32(&context_.slot->asleep) == 0) return true;
  return RequestWaits() && !PipelineFull(context_);
}

// A busy worker does not come to wait, but who set its latch must not wait for that.
void Worker::LookAtLatch() {
  if (MyLatch->is_set)
    ResetLatch(MyLatch);
  else if (!Called())
    return;
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
    ForgetOwnTables();
    LoadConfiguration(&context_);
    if (context_.leave) return;
  }
  ServeRunNow(&context_, now);
  Attend(&context_, now);
  Pump();
  TakeDeliveryEvents(&context_, now);
  bool busy = SettleOutcomes(&context_);
  StoreFindings(&context_, now);
  StoreRebuilds(&context_, now);
  KeepVersions(&context_, now);
  AdvanceResyncs(&context_, now);
  AdvanceRebuilds(&context_, now);
  ReloadCredentials(&context_, now);
  KeepLeases(&context_, now);
  KeepIndexes(&context_, now);
  NoteAway(&context_, now);
  ProbeBlocked(&context_, now);
  RetryLocks(&context_, now);
  ParkWaiting(&context_);
  busy |= DrainParked(&context_);
  busy |= Feed(now);
  if (context_.leave) return;
  const bool answered = Pump();
  AdvancePositions(&context_);
  EndCare(&context_, now);
  if (!Careful()) busy |= AdvanceVerifications(&context_, now);
  SavePositions(&context_, now, false);
  ServeSaves(&context_, now);
  StoreLastErrors(&context_, now);
  if (!Careful()) RotateQueue(&context_, now);
  LimitQueue(&context_, now);
  ServeRefreshes(&context_, now);
  ServeInspections(&context_, now);
  AdvanceIndexDrops(&context_, now);
  StoreIndexDrops(&context_, now);
  CheckOwners(&context_, now);
  if (now - sources_checked_ >= kSourceInterval) {
    const bool done = CheckSources(&context_);
    sources_checked_ = done ? now : now - kSourceInterval + kSourceRetry;
  }
  if (!busy || now - status_at_ >= kStatusInterval) {
    status_at_ = now;
    PublishStatus(&context_);
    Rest(&context_, now);  // not before it was shown
  }
  if (context_.answered) {
    context_.answered = false;
    ConditionVariableBroadcast(&Shared()->settled);
  }
  if (!answered) Wait(MonotonicNow(), busy);
}

core::Time Worker::NextDeadline(core::Time now) const {
  // A scan that the full pipeline holds up is due all the time, and of no use before answers come.
  const bool held = context_.reader->in_pass() && HeldUp(context_);
  core::Time next = (held ? now : last_full_scan_) + kScanInterval;
  for (const auto& channel : context_.channels) next = std::min(next, channel->NextDeadline(now));
  next = std::min({next, NextIndexDeadline(context_, now), NextLeaseDeadline(context_),
                   NextBackfillPage(context_, now), NextLook(context_)});
  for (const SyncRuntime* sync : context_.awake)
    if (sync->resync.step != ResyncState::Step::kNone && !sync->resync.request_active &&
        sync->Sends())
      next = std::min(next, std::max(sync->resync.retry_at, now + core::Time{20'000}));
  for (const SyncRuntime* sync : context_.awake)
    if (sync->read_at > now) next = std::min(next, sync->read_at);
  if (woken_) next = std::min(next, gathering_.Due(context_.linger));
  return next;
}

// Arm first, then scan, then sleep: an event that comes after the scan finds the flag and sets the
// latch; one that came before it is found. While events gather nobody needs to wake us.
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
    if (now >= gathering_.Due(context_.linger)) {
      pg_atomic_write_u32(&slot->asleep, 1);
      pg_memory_barrier();
      armed_ = true;
    }
    woken_ = true;
  }
  const core::Time wait = NextDeadline(now) - now;
  if (wait <= core::Time{0} || Called()) return;
  bool sending = false;
  for (const auto& channel : context_.channels) sending |= channel->client().InFlight() > 0;
  const int events = WaitLatchOrSocket(
      MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
      context_.poll_fd, static_cast<long>((wait.count() + 999) / 1000),
      sending ? http_event : idle_event);
  if ((events & WL_LATCH_SET) != 0) LookAtLatch();
}

Worker* running = nullptr;
volatile sig_atomic_t leaves_cleanly = 0;

extern "C" void polyglot_worker_terminate(SIGNAL_ARGS) {
  leaves_cleanly = 1;
  die(postgres_signal_arg);
}

void Detach(int, Datum argument) {
  if (running != nullptr && leaves_cleanly != 0) ReleaseLeases(running->context());
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
    pg_atomic_write_u64(&slot->published_at, static_cast<uint64>(GetCurrentTimestamp()));
    pg_atomic_write_u64(&slot->scanned_at, 0);
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
constexpr PinnedSetting kPinned[] = {{"statement_timeout", "0"},
                                     {"lock_timeout", "0"},
                                     {"idle_in_transaction_session_timeout", "0"},
                                     {"idle_session_timeout", "0"},
                                     {"transaction_timeout", "0"},  // 17 and later
                                     {"default_transaction_isolation", "read committed"},
                                     {"default_transaction_read_only", "off"},
                                     {"default_transaction_deferrable", "off"},
                                     {"session_replication_role", "origin"},
                                     {"jit", "off"},
                                     {"max_parallel_workers_per_gather", "0"},
                                     {"DateStyle", "ISO, MDY"},
                                     {"IntervalStyle", "iso_8601"},
                                     {"TimeZone", "UTC"},
                                     {"extra_float_digits", "1"},
                                     {"bytea_output", "hex"},
                                     {"lc_monetary", "C"},
                                     {"search_path", "pg_catalog, pg_temp"},
                                     // Never for a standby: docs/design.md, "Standbys".
                                     {"synchronous_commit", "local"}};

}  // namespace

}  // namespace polyglot::pg

void polyglot_worker_main(Datum argument) {
  using namespace polyglot::pg;
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, polyglot_worker_terminate);
  BackgroundWorkerUnblockSignals();
  WorkerSlot* slot = Attach(DatumGetInt32(argument));
  BackgroundWorkerInitializeConnectionByOid(slot->database, InvalidOid, 0);
  WatchLockWaits();
  WatchOwners();
  PinSettings(kPinned);
  ApplyFaultLimits();
  pgstat_report_appname(kWorkerType);
  ereport(LOG, (errmsg("polyglot_sync worker started for server %u", slot->server)));
  // One heap pointer: an ERROR below ends the process without unwinding this frame.
  Enter([slot] {
    running = new Worker(slot);
    running->Run();
  });
  leaves_cleanly = 1;
  slot->healthy_since = GetCurrentTimestamp();  // left of its own will: no back-off
  ereport(LOG, (errmsg("polyglot_sync worker for server %u has nothing left to do", slot->server)));
  proc_exit(0);
}
