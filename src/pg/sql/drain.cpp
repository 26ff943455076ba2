// polyglot.drain: waits until nothing of this database is on its way to its indexes, before
// pg_upgrade or a planned switch-over.

#include "pg/catalog/rebuild_requests.h"
#include "pg/shared/shared_state.h"
#include "pg/shared/sync_slots.h"
#include "pg/shared/worker_slots.h"
#include "pg/sql/live_status.h"
#include "pg/sql/visibility.h"
#include "pg/sql/waiting.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_drain);
PGDLLEXPORT Datum polyglot_drain(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

constexpr long kLookAgainMs = 200;

// Of a source that is only compared now and then nothing is on its way.
bool Counts(const SyncRow* sync) { return strcmp(sync->capture, "none") != 0; }

// Everything committed before the request is in the index that is searched, and no other is filled.
bool IsDrained(const SyncRow* sync, uint64 request) {
  SyncSlot* slot = sync->has_state && Shared() ? FindSyncSlot(MyDatabaseId, sync->id) : nullptr;
  return slot && pg_atomic_read_u64(&slot->settled_request) >= request && !AnyRebuild(sync->id);
}

void AddHolder(StringInfo text, const SyncRow* sync, const LiveStatus& live) {
  appendStringInfo(text, "%sSync \"%s\" is %s", text->len > 0 ? "\n" : "", sync->name,
                   StateOf(sync, live));
  if (Pending(live) > 0) appendStringInfo(text, ", pending: " UINT64_FORMAT, Pending(live));
  if (live.parked > 0) appendStringInfo(text, ", parked: " UINT64_FORMAT, live.parked);
  if (strcmp(StateOf(sync, live), "paused") != 0)
    appendStringInfo(text, " (%s)", NotInStep(sync, live).text);
  appendStringInfoChar(text, '.');
}

bool AnyHolder(uint64 request) {
  int count;
  SyncRow** syncs = LoadSyncs(InvalidOid, &count);
  for (int i = 0; i < count; ++i)
    if (Counts(syncs[i]) && !IsDrained(syncs[i], request)) return true;
  return false;
}

const char* Holders(uint64 request) {
  StringInfoData text;
  initStringInfo(&text);
  int count;
  SyncRow** syncs = LoadSyncs(InvalidOid, &count);
  const LiveStatus* live = ReadLiveStatuses(syncs, count);
  for (int i = 0; i < count; ++i)
    if (Counts(syncs[i]) && !IsDrained(syncs[i], request)) AddHolder(&text, syncs[i], live[i]);
  return text.data;
}

void WarnOfHolders(const char* holders) {
  ereport(WARNING,
          (errmsg("not everything was delivered in time"), *holders ? errdetail("%s", holders) : 0,
           errhint("The view polyglot.status tells what the syncs wait for.")));
}

// What time alone does not end: who waits for minutes is told at once.
void NoteStopped() {
  int count;
  SyncRow** syncs = LoadSyncs(InvalidOid, &count);
  for (int i = 0; i < count; ++i) {
    const LiveStatus live = ReadLiveStatus(syncs[i]);
    const char* state = StateOf(syncs[i], live);
    if (Counts(syncs[i]) && (strcmp(state, "not running") == 0 || WaitsInVain(syncs[i], live)))
      ereport(NOTICE, (errmsg("sync \"%s\" is %s: waiting for somebody to change that",
                              syncs[i]->name, state),
                       errhint("In another session: polyglot.resume_sync, drop_sync or "
                               "start_workers.")));
  }
}

void Sleep() {
  static uint32 wait_event = 0;
  if (wait_event == 0) wait_event = NamedWaitEvent("PolyglotSyncDrain");
  CHECK_FOR_INTERRUPTS();
  if (Shared()) {
    ConditionVariablePrepareToSleep(&Shared()->settled);
    (void)ConditionVariableTimedSleep(&Shared()->settled, kLookAgainMs, wait_event);
    ConditionVariableCancelSleep();
  } else {
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kLookAgainMs,
                    wait_event);
    ResetLatch(MyLatch);
  }
}

// After a restart nothing is delivered again: positions are on disk.
bool ArePositionsSaved(uint64 request) {
  for (WorkerSlot& worker : Shared()->workers)
    if (worker.database == MyDatabaseId && worker.pid != 0 &&
        pg_atomic_read_u64(&worker.save_done) < request)
      return false;
  return true;
}

bool SavePositions(TimestampTz deadline) {
  if (!Shared()) return true;  // without syncs: nobody had to answer
  const uint64 request = NextRequest();
  for (WorkerSlot& worker : Shared()->workers)
    if (worker.database == MyDatabaseId) pg_atomic_write_u64(&worker.save_wanted, request);
  WakeWorkersOf(MyDatabaseId);
  while (!ArePositionsSaved(request)) {
    if (GetCurrentTimestamp() >= deadline) return false;
    Sleep();
  }
  return true;
}

bool Drain(TimestampTz deadline) {
  const uint64 request = Shared() ? NextRequest() : 0;
  WakeWorkersOf(MyDatabaseId);
  MemoryContext look =
      AllocSetContextCreate(CurrentMemoryContext, "polyglot_sync drain", ALLOCSET_SMALL_SIZES);
  for (;;) {
    MemoryContextReset(look);
    MemoryContext caller = MemoryContextSwitchTo(look);
    const bool held = AnyHolder(request);
    MemoryContextSwitchTo(caller);
    if (!held && SavePositions(deadline)) return true;
    if (GetCurrentTimestamp() >= deadline) {
      WarnOfHolders(held ? Holders(request) : "The worker has not stored its positions.");
      return false;
    }
    Sleep();
  }
}

void WarnOfDeadLetters() {
  int count;
  SyncRow** syncs = LoadSyncs(InvalidOid, &count);
  for (int i = 0; i < count; ++i) WarnOfDeadLetter(syncs[i]->id, syncs[i]->name);
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_drain(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayControl("polyglot.drain()");
  CheckMayWait("polyglot.drain()");
  const TimestampTz deadline = DeadlineArgument(fcinfo, 0);
  NoteStopped();
  const bool drained = Drain(deadline);
  if (drained) WarnOfDeadLetters();
  PG_RETURN_BOOL(drained);
}
