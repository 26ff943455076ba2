// polyglot.wait_for_sync, run_sync, refresh_index: a numbered request to the workers, then waiting
// until their answer in shared memory has reached that number.

#include "pg/capture/transaction_buffer.h"
#include "pg/catalog/dead_letters.h"
#include "pg/shared/shared_state.h"
#include "pg/shared/sync_slots.h"
#include "pg/shared/worker_slots.h"
#include "pg/sql/arguments.h"
#include "pg/sql/live_status.h"
#include "pg/sql/visibility.h"
#include "pg/sql/waiting.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_wait_for_sync);
PG_FUNCTION_INFO_V1(polyglot_run_sync);
PG_FUNCTION_INFO_V1(polyglot_refresh_index);
PGDLLEXPORT Datum polyglot_wait_for_sync(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_run_sync(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_refresh_index(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

constexpr long kLookAgainMs = 200;

struct Counts {
  uint64 delivered, deleted, dead_letters;
};

struct Waited {
  int32 id;
  char* name;
  bool named;  // by the caller, not one of "all"
  bool gone;
  Counts before;
};

struct WaitList {
  Waited* syncs;
  int count;
};

enum class Answer { kSettled, kRefreshed };

Counts ReadCounts(int32 sync) {
  SyncSlot* slot = FindSyncSlot(MyDatabaseId, sync);
  if (!slot) return {};
  return {pg_atomic_read_u64(&slot->counters.delivered),
          pg_atomic_read_u64(&slot->counters.deleted),
          pg_atomic_read_u64(&slot->counters.dead_letters)};
}

void AddTo(WaitList* list, const SyncRow* sync, bool named) {
  list->syncs[list->count++] = {sync->id, sync->name, named, false, ReadCounts(sync->id)};
}

// Of a source that is only compared now and then nothing tells what has changed.
bool IsCaptured(const SyncRow* sync) { return strcmp(sync->capture, "none") != 0; }

// One named sync, or all that are not paused and whose source the caller may read.
WaitList ChooseSyncs(const char* name) {
  WaitList list{};
  if (name) {
    SyncRow* sync = LoadSyncOrError(name);
    CheckMayRead(sync);
    if (!IsCaptured(sync))
      ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                      errmsg("sync \"%s\" captures no changes", sync->name),
                      errhint("polyglot.repair_sync compares index and source now, and waits.")));
    list.syncs = static_cast<Waited*>(palloc0(sizeof(Waited)));
    AddTo(&list, sync, true);
    return list;
  }
  int count;
  SyncRow** all = LoadSyncs(InvalidOid, &count);
  list.syncs = static_cast<Waited*>(palloc0(sizeof(Waited) * (count + 1)));
  for (int i = 0; i < count; ++i)
    if (!all[i]->paused && IsCaptured(all[i]) && MayRead(all[i])) AddTo(&list, all[i], false);
  return list;
}

// false: nobody is helped by waiting on.
bool CheckStillThere(Waited* waited) {
  SyncRow* sync = LoadSyncById(waited->id);
  if (!sync) {
    waited->gone = true;
    if (waited->named)
      ereport(ERROR,
              (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("sync \"%s\" was dropped", waited->name)));
    return true;
  }
  CheckIsOurs(sync, "wait for");
  if (sync->failed_reason)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("sync \"%s\" has failed: %s", sync->name, sync->failed_reason),
                    sync->failed_hint ? errhint("%s", sync->failed_hint) : 0));
  return !WaitsInVain(sync, ReadLiveStatus(sync));
}

bool Answered(const Waited* waited, Answer answer, uint64 number) {
  if (waited->gone) return true;
  SyncSlot* slot = FindSyncSlot(MyDatabaseId, waited->id);
  if (!slot) return false;
  return pg_atomic_read_u64(answer == Answer::kSettled ? &slot->settled_request
                                                       : &slot->refresh_done) >= number;
}

bool CheckStillThere(WaitList* list, Answer answer, uint64 number, MemoryContext look) {
  MemoryContextReset(look);
  MemoryContext caller = MemoryContextSwitchTo(look);
  bool hope = true;
  for (int i = 0; i < list->count; ++i)
    if (!Answered(&list->syncs[i], answer, number)) hope &= CheckStillThere(&list->syncs[i]);
  MemoryContextSwitchTo(caller);
  return hope;
}

bool AllAnswered(const WaitList* list, Answer answer, uint64 number) {
  for (int i = 0; i < list->count; ++i)
    if (!Answered(&list->syncs[i], answer, number)) return false;
  return true;
}

// Definitions are looked up again now and then: a sync may fail or be dropped while we wait.
bool WaitFor(WaitList* list, Answer answer, uint64 number, TimestampTz deadline) {
  static uint32 wait_event = 0;
  if (wait_event == 0) wait_event = NamedWaitEvent("PolyglotSyncWait");
  SharedState* shared = Shared();
  MemoryContext look =
      AllocSetContextCreate(CurrentMemoryContext, "polyglot_sync wait", ALLOCSET_SMALL_SIZES);
  bool answered = false;
  for (;;) {
    const bool hope = CheckStillThere(list, answer, number, look);
    ConditionVariablePrepareToSleep(&shared->settled);
    answered = AllAnswered(list, answer, number);
    TimestampTz now = GetCurrentTimestamp();
    if (answered || !hope || now >= deadline) break;
    long left =
        deadline == kNoLimit ? kLookAgainMs : TimestampDifferenceMilliseconds(now, deadline);
    TimestampTz look_again = TimestampTzPlusMilliseconds(now, kLookAgainMs);
    // Wake-ups for other syncs do not cost catalog look-ups.
    while (!(answered = AllAnswered(list, answer, number)) && now < look_again && now < deadline) {
      ConditionVariableTimedSleep(&shared->settled, Max(1, Min(left, kLookAgainMs)), wait_event);
      now = GetCurrentTimestamp();
    }
    ConditionVariableCancelSleep();
    if (answered) return true;
  }
  ConditionVariableCancelSleep();
  return answered;
}

void SkipBackoff() {
  for (WorkerSlot& worker : Shared()->workers)
    if (worker.database == MyDatabaseId) pg_atomic_write_u32(&worker.run_now, 1);
}

// What is not in step, and why: of the syncs that have not answered, or of all without a worker.
void WarnOfTheRest(const WaitList* list, Answer answer, uint64 number) {
  int count;
  SyncRow** all = LoadSyncs(InvalidOid, &count);
  const LiveStatus* live = ReadLiveStatuses(all, count);
  for (int i = 0; i < list->count; ++i) {
    const Waited* waited = &list->syncs[i];
    if (Shared() && Answered(waited, answer, number)) continue;
    for (int j = 0; j < count; ++j) {
      if (all[j]->id != waited->id) continue;
      const Explanation why = NotInStep(all[j], live[j]);
      ereport(WARNING, (errmsg(answer == Answer::kSettled
                                   ? "sync \"%s\" is not in step yet: %s"
                                   : "the index of sync \"%s\" is not refreshed yet: %s",
                               waited->name, why.text),
                        why.hint ? errhint("%s", why.hint) : 0));
    }
  }
}

bool WaitSettled(WaitList* list, TimestampTz deadline, bool run_now) {
  if (list->count == 0) return true;
  uint64 number = Shared() ? NextRequest() : 0;
  if (Shared() && run_now) SkipBackoff();
  WakeWorkersOf(MyDatabaseId);
  // Without shared memory nobody will answer.
  if (Shared() && WaitFor(list, Answer::kSettled, number, deadline)) return true;
  WarnOfTheRest(list, Answer::kSettled, number);
  return false;
}

// The number is drawn after everything is settled: a refresh that answers it began later.
bool WaitRefreshed(WaitList* list, TimestampTz deadline) {
  uint64 number = NextRequest();
  for (int i = 0; i < list->count; ++i) {
    SyncSlot* slot = FindSyncSlot(MyDatabaseId, list->syncs[i].id);
    if (!slot) continue;
    uint64 wanted = pg_atomic_read_u64(&slot->refresh_wanted);
    while (wanted < number &&
           !pg_atomic_compare_exchange_u64(&slot->refresh_wanted, &wanted, number)) {
    }
  }
  WakeWorkersOf(MyDatabaseId);
  if (WaitFor(list, Answer::kRefreshed, number, deadline)) return true;
  WarnOfTheRest(list, Answer::kRefreshed, number);
  return false;
}

// Whenever they were written: what they stand for was committed before the call, and is not there.
void WarnOfDeadLetters(const WaitList* list) {
  for (int i = 0; i < list->count; ++i) {
    const Waited* waited = &list->syncs[i];
    if (!waited->gone) WarnOfDeadLetter(waited->id, waited->name);
  }
}

// They may have been reset meanwhile.
Datum Since(uint64 before, uint64 now) {
  return Int64GetDatum(static_cast<int64>(now < before ? now : now - before));
}

void ReturnCounts(FunctionCallInfo fcinfo, const WaitList* list) {
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  for (int i = 0; i < list->count; ++i) {
    const Waited* waited = &list->syncs[i];
    if (waited->gone) continue;
    const Counts now = ReadCounts(waited->id), &before = waited->before;
    Datum values[] = {CStringGetTextDatum(waited->name), Since(before.delivered, now.delivered),
                      Since(before.deleted, now.deleted),
                      Since(before.dead_letters, now.dead_letters)};
    bool nulls[4] = {};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
}

}  // namespace

void CheckMayWait(const char* function) {
  PreventCommandDuringRecovery(function);
  if (HasCapturedChanges())
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                    errmsg("%s cannot run in a transaction that has changed synchronised tables",
                           function),
                    errhint("COMMIT first: nothing is delivered before.")));
}

namespace {

TimestampTz DeadlineInSeconds(double seconds) {
  constexpr double kYears = 1e9;
  if (seconds != seconds)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("timeout must be a number")));
  if (seconds > kYears) return kNoLimit;
  return GetCurrentTimestamp() + static_cast<int64>(Max(seconds, 0.0) * 1e6);
}

}  // namespace

TimestampTz DeadlineArgument(FunctionCallInfo fcinfo, int number) {
  if (PG_ARGISNULL(number)) return kNoLimit;
  Datum interval = PG_GETARG_DATUM(number);
  const Oid type = get_fn_expr_argtype(fcinfo->flinfo, number);
  if (type == FLOAT8OID) return DeadlineInSeconds(DatumGetFloat8(interval));
  if (type == TEXTOID)
    interval = DirectFunctionCall3(interval_in, CStringGetDatum(TextDatumGetCString(interval)),
                                   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
  Datum end = DirectFunctionCall2(timestamptz_pl_interval,
                                  TimestampTzGetDatum(GetCurrentTimestamp()), interval);
  return DatumGetTimestampTz(end);
}

uint64 NextRequest() { return pg_atomic_fetch_add_u64(&Shared()->request, 1) + 1; }

void WarnOfDeadLetter(int32 sync, const char* name) {
  if (!AnyDeadLetter(sync)) return;
  ereport(WARNING, (errmsg("sync \"%s\" has dead letters", name),
                    errhint("The view polyglot.dead_letters tells why; polyglot.requeue tries "
                            "them again.")));
}

}  // namespace polyglot::pg

Datum polyglot_wait_for_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWait("polyglot.wait_for_sync()");
  TimestampTz deadline = DeadlineArgument(fcinfo, 1);
  bool refresh = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
  WaitList list = ChooseSyncs(TextArgument(fcinfo, 0));
  bool done = WaitSettled(&list, deadline, false);
  if (done && refresh && list.count > 0) done = WaitRefreshed(&list, deadline);
  if (done) WarnOfDeadLetters(&list);
  PG_RETURN_BOOL(done);
}

Datum polyglot_run_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWait("polyglot.run_sync()");
  InitMaterializedSRF(fcinfo, 0);
  TimestampTz deadline = DeadlineArgument(fcinfo, 1);
  WaitList list = ChooseSyncs(TextArgument(fcinfo, 0));
  (void)WaitSettled(&list, deadline, true);
  ReturnCounts(fcinfo, &list);
  return static_cast<Datum>(0);
}

Datum polyglot_refresh_index(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  PreventCommandDuringRecovery("polyglot.refresh_index()");
  SyncRow* sync = OwnedSyncArgument(fcinfo);
  CheckIsOurs(sync, "refresh the index of");
  Waited waited{sync->id, sync->name, true, false, {}};
  WaitList list{&waited, 1};
  // As long as a worker waits for its server by default.
  TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 30000);
  if (!Shared() || !WaitRefreshed(&list, deadline))
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("could not refresh the index of sync \"%s\"", sync->name),
                    errhint("The view polyglot.status tells the state of the sync.")));
  PG_RETURN_VOID();
}
