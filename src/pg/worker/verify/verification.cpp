#include "pg/worker/verify/verification.h"

#include <algorithm>

#include "pg/catalog/sync_state.h"
#include "pg/catalog/verifications.h"
#include "pg/clock.h"
#include "pg/fault_points.h"
#include "pg/worker/state/crash_guard.h"
#include "pg/worker/state/pipeline.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/verify/verification_steps.h"

namespace polyglot::pg {
namespace {

using Step = VerificationState::Step;

constexpr core::Time kStoreInterval{2'000'000};
// So long others wait for a sync that cannot go on.
constexpr core::Time kPatience{10'000'000};
constexpr core::Time kDeadlyRetry{3'600'000'000};

std::uint64_t Wanted(const SyncSlot& slot) {
  auto* shared = const_cast<SyncSlot*>(&slot);
  return std::max(pg_atomic_read_u64(&shared->verify_wanted),
                  pg_atomic_read_u64(&shared->repair_wanted));
}

bool Requested(const SyncRuntime& sync) {
  return Wanted(*sync.slot) > pg_atomic_read_u64(&sync.slot->verify_done);
}

bool ReconcileDue(const VerificationState& state) {
  return state.reconcile_us > 0 && GetCurrentTimestamp() >= state.last_started + state.reconcile_us;
}

bool RepairDue(const SyncRuntime& sync) {
  return !sync.repair.reason.empty() && MonotonicNow() >= sync.repair.begin_at;
}

// The index can be asked, and nothing but live changes is going on.
bool Able(const SyncRuntime& sync) {
  return sync.slot != nullptr && sync.verification && sync.channel != nullptr && sync.Sends() &&
         !sync.blocked && sync.Streaming() && sync.index.step == IndexStep::kReady;
}

bool Due(const SyncRuntime& sync) {
  const core::Time now = MonotonicNow();
  if (!Able(sync) || now < sync.store_at || now < sync.verification->rest_until ||
      now < sync.verification->not_before)
    return false;
  return sync.verification->unfinished || Requested(sync) || ReconcileDue(*sync.verification) ||
         RepairDue(sync);
}

// What the schedule is stays; everything else begins anew.
void Reset(VerificationState* state) {
  VerificationState next;
  next.reconcile_us = state->reconcile_us;
  next.last_started = state->last_started;
  next.generation = state->generation + 1;
  next.not_before = state->not_before;
  *state = std::move(next);
}

// Crash guard: a verification that kills its worker would be begun anew by each one that follows.

std::string NameOf(const SyncRuntime& sync) { return "verification/" + std::to_string(sync.id); }

void NoteBegin(const WorkerContext& context, SyncRuntime* sync) {
  VerificationState* state = sync->verification.get();
  if (CrashRestarts() == 0) return;
  if (IsSetAside(NameOf(*sync))) {
    state->deadly = "workers have died twice during this verification; it is left out for a day";
    ereport(WARNING, (errmsg("polyglot_sync: sync \"%s\" is not verified: workers have died twice "
                             "during that",
                             sync->name.c_str()),
                      errhint("A core file tells more; it is tried again after a day.")));
    return;
  }
  NoteReading(context, NameOf(*sync), true);
  state->noted = true;
}

void NoteEnd(const WorkerContext& context, SyncRuntime* sync) {
  if (std::exchange(sync->verification->noted, false)) EndReading(context);
}

// Begun anew when the sync is able to again.
void Abandon(const WorkerContext& context, SyncRuntime* sync, core::Time now) {
  VerificationState* state = sync->verification.get();
  NoteEnd(context, sync);
  ClosePointInTime(sync, now);
  const bool repair = state->repair;
  const double sample = state->sample;
  Reset(state);
  state->unfinished = true;
  state->unfinished_repair = repair;
  state->unfinished_sample = sample;
}

void Begin(const WorkerContext& context, SyncRuntime* sync, core::Time now) {
  VerificationState* state = sync->verification.get();
  SyncSlot* slot = sync->slot;
  const bool owed = RepairDue(*sync), reconcile = ReconcileDue(*state) || owed;
  bool repair = (state->unfinished && state->unfinished_repair) || reconcile;
  double sample = state->unfinished ? state->unfinished_sample : reconcile ? 1 : 0;
  Reset(state);
  state->request = pg_atomic_read_u64(&slot->verify_done);
  state->owed = owed;
  LWLockAcquire(Shared()->lock, LW_SHARED);
  if (Requested(*sync)) {
    repair |= pg_atomic_read_u64(&slot->repair_wanted) > state->request;
    state->request = Wanted(*slot);
    sample = std::max(sample, slot->verify_sample);
  }
  LWLockRelease(Shared()->lock);
  state->repair = repair;
  state->sample = state->repair ? 1 : sample;
  state->fingerprint = sync->fingerprint;
  state->physical = sync->index.physical;
  state->last_started = GetCurrentTimestamp();
  state->known.Begin(0);
  state->able_at = now;
  bool locked = false;
  InTransaction([&] {
    if ((locked = LockState(sync)))
      state->number = StartVerification(sync->id, state->sample, state->repair).number;
  });
  if (!locked) return Abandon(context, sync, now);
  NoteBegin(context, sync);
  state->step = state->deadly.empty() ? Step::kRules : Step::kFinish;
}

void Finish(WorkerContext* context, SyncRuntime* sync) {
  VerificationState* state = sync->verification.get();
  const VerificationCounts counts = state->counts;
  const bool done = state->deadly.empty();
  bool locked = false;
  InTransaction([&] {
    if (!(locked = LockState(sync))) return;
    StoreVerification(RunOf(*sync), state->counts, NoteOf(*state), true);
    if (state->owed && done) StoreRepair(sync->id, nullptr);
  });
  if (!locked) return;
  NoteEnd(*context, sync);
  if (state->owed && done) sync->repair = RepairState{};
  if (state->owed && !done) sync->repair.begin_at = MonotonicNow() + kDeadlyRetry;
  pg_atomic_write_u64(&sync->slot->verify_done, state->request);
  context->answered = true;
  Reset(state);
  if (!done) return;
  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" was verified: %llu rows compared, %llu missing, "
                       "%llu orphans, %llu different, %llu stale",
                       sync->name.c_str(), number(counts.compared), number(counts.missing),
                       number(counts.orphan), number(counts.different), number(counts.stale))));
}

bool Outdated(const SyncRuntime& sync) {
  const VerificationState& state = *sync.verification;
  return sync.failed || sync.paused || state.withdrawn || !sync.Streaming() ||
         sync.fingerprint != state.fingerprint || sync.index.physical == nullptr ||
         *sync.index.physical != *state.physical;
}

// It cannot be asked, or what it is asked for is in vain.
bool IsStuck(const VerificationState& state, core::Time now) {
  return now - state.able_at > kPatience ||
         (state.trouble_since != core::Time{0} && now - state.trouble_since > kPatience);
}

// Everything that was parked is delivered, and every delete without a key.
bool Drained(const WorkerContext& context, const SyncRuntime& sync) {
  const std::uint64_t walk = sync.verification->walk;
  return IsQuiet(sync) && context.settlement.SettledWalk(sync.id, walk) >= walk;
}

// false: not now, see LockState.
bool Store(SyncRuntime* sync, core::Time now) {
  VerificationState* state = sync->verification.get();
  if (state->fresh.empty() && now - state->stored_at < kStoreInterval) return true;
  bool locked = false;
  InTransaction([&] {
    if (!(locked = LockState(sync))) return;
    StoreCandidates(RunOf(*sync), state->fresh);
    StoreVerification(RunOf(*sync), state->counts, NoteOf(*state), false);
  });
  if (!locked) return false;
  state->stored_at = now;
  state->fresh.clear();
  return true;
}

bool Advance(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  VerificationState* state = sync->verification.get();
  if (now < sync->store_at || !Store(sync, now)) return false;
  // Live changes go first.
  if (now < state->retry_at || AnyKeysWaiting(*context)) return false;
  switch (state->step) {
    case Step::kIdle:
      return false;
    case Step::kRules:
      AskForRules(context, sync, now);
      return false;
    case Step::kTable:
      FaultKey("fault_verification", sync->name);
      return CompareRows(context, sync, now);
    case Step::kRefresh:
    case Step::kOpen:
    case Step::kWalk:
    case Step::kClose:
      return WalkIndex(context, sync, now);
    case Step::kDrain:
      if (!Drained(*context, *sync)) return false;
      state->step = Step::kFinish;
      return true;
    case Step::kFinish:
      Finish(context, sync);
      return true;
    default:
      return JudgeCandidates(context, sync, now);
  }
}

SyncRuntime* Running(WorkerContext* context) {
  for (SyncRuntime* sync : context->awake)
    if (sync->verification && sync->verification->step != Step::kIdle) return sync;
  return nullptr;
}

std::int64_t ReconcileInterval(const char* options) {
  if (options == nullptr) return 0;
  Jsonb* parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(options)));
  JsonbValue value;
  if (getKeyJsonValueFromContainer(&parsed->root, "reconcile", 9, &value) == nullptr ||
      value.type != jbvString)
    return 0;
  char* text = pnstrdup(value.val.string.val, value.val.string.len);
  const Interval* interval = DatumGetIntervalP(DirectFunctionCall3(
      interval_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
  return interval->time + (interval->day + interval->month * std::int64_t{DAYS_PER_MONTH}) *
                              std::int64_t{USECS_PER_DAY};
}

void TakeLast(VerificationState* state, const LastVerification& last) {
  state->last_started = last.started;
  state->unfinished = last.unfinished;
  state->unfinished_sample = last.sample;
  state->unfinished_repair = last.repair;
}

}  // namespace

std::string NoteOf(const VerificationState& state) {
  if (!state.deadly.empty()) return state.deadly;
  if (state.Compares()) return {};
  return "contents cannot be compared: " + state.rules.incomparable +
         "; only whether and where documents are was looked at";
}

bool IsQuiet(const SyncRuntime& sync) {
  return sync.Streaming() && !sync.Parks() && sync.parked.count.rows == 0 &&
         sync.unconfirmed.empty();
}

void ConfigureVerification(SyncRuntime* sync, const char* options, std::int64_t created_at) {
  if (!sync->verification) {
    sync->verification = std::make_shared<VerificationState>();
    sync->verification->last_started = created_at;
    if (const auto last = LoadVerification(sync->id)) TakeLast(sync->verification.get(), *last);
  }
  sync->verification->reconcile_us = ReconcileInterval(options);
}

bool AdvanceVerifications(WorkerContext* context, core::Time now) {
  SyncRuntime* sync = Running(context);
  if (sync != nullptr && Able(*sync)) sync->verification->able_at = now;
  const bool stuck = sync != nullptr && IsStuck(*sync->verification, now);
  if (sync != nullptr && (stuck || Outdated(*sync))) {
    Abandon(*context, sync, now);
    if (stuck) sync->verification->rest_until = now + kPatience;  // others first
    sync = nullptr;
  }
  for (auto it = context->awake.begin(); sync == nullptr && it != context->awake.end(); ++it)
    if (Due(**it)) Begin(*context, sync = *it, now);
  return sync != nullptr && Able(*sync) && Advance(context, sync, now);
}

}  // namespace polyglot::pg
