// polyglot.verify_sync, repair_sync: a numbered request to the worker, then waiting until it has
// answered that number. What it found stands in polyglot.verification and polyglot.difference.

#include "pg/catalog/own_rights.h"
#include "pg/shared/shared_state.h"
#include "pg/shared/sync_slots.h"
#include "pg/shared/worker_slots.h"
#include "pg/sql/arguments.h"
#include "pg/sql/live_status.h"
#include "pg/sql/waiting.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_verify_sync);
PG_FUNCTION_INFO_V1(polyglot_repair_sync);
PGDLLEXPORT Datum polyglot_verify_sync(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_repair_sync(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

constexpr long kLookAgainMs = 200;

[[noreturn]] void NotRunning(const SyncRow* sync, const char* why, const char* hint) {
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("cannot verify sync \"%s\": %s", sync->name, why), errhint("%s", hint)));
  pg_unreachable();
}

void CheckRuns(const SyncRow* sync) {
  CheckIsOurs(sync, "verify");
  const LiveStatus live = ReadLiveStatus(sync);
  if (sync->failed_reason)
    NotRunning(sync, psprintf("it has failed: %s", sync->failed_reason),
               sync->failed_hint ? sync->failed_hint
                                 : "Remove the cause, then call polyglot.resume_sync.");
  if (sync->paused) NotRunning(sync, "it is paused", "Call polyglot.resume_sync.");
  if (!WaitsInVain(sync, live)) return;
  const Explanation why = ProblemOf(sync, live);
  NotRunning(sync, why.text, why.hint);
}

// Whatever it waits for: what has begun goes on.
[[noreturn]] void TimedOut(const SyncRow* sync, const char* verb) {
  const Explanation why = NotInStep(sync, ReadLiveStatusAndQueue(sync));
  const Explanation problem = ProblemOf(sync, ReadLiveStatus(sync));
  ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED),
                  errmsg("sync \"%s\" was not %s in time", sync->name, verb),
                  errdetail("%s", problem.text ? psprintf("It waits: %s.", why.text)
                                               : "Index and table are still being compared."),
                  errhint("The comparison goes on: polyglot.verifications shows how far it is, "
                          "polyglot.differences what the last one has found. Give it more time by "
                          "\"timeout\".")));
  pg_unreachable();
}

// The worker takes the slot when it loads the sync: before that there is nobody to ask.
SyncSlot* SlotOf(const SyncRow* sync, TimestampTz deadline, const char* verb) {
  for (;;) {
    if (SyncSlot* slot = FindSyncSlot(MyDatabaseId, sync->id)) return slot;
    CHECK_FOR_INTERRUPTS();
    CheckRuns(sync);
    if (GetCurrentTimestamp() >= deadline) TimedOut(sync, verb);
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kLookAgainMs,
                    PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
}

uint64 Request(SyncSlot* slot, double sample, bool repair) {
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  // Under the lock: a smaller number that is written later would take the place of a larger one.
  const uint64 number = pg_atomic_fetch_add_u64(&Shared()->request, 1) + 1;
  const uint64 wanted =
      Max(pg_atomic_read_u64(&slot->verify_wanted), pg_atomic_read_u64(&slot->repair_wanted));
  const bool pending = wanted > pg_atomic_read_u64(&slot->verify_done);
  // Who asked before must not get less than he asked for.
  slot->verify_sample = pending ? Max(slot->verify_sample, sample) : sample;
  pg_atomic_write_u64(repair ? &slot->repair_wanted : &slot->verify_wanted, number);
  LWLockRelease(Shared()->lock);
  WakeWorkersOf(MyDatabaseId);
  return number;
}

bool Answered(int32 sync, uint64 number) {
  SyncSlot* slot = FindSyncSlot(MyDatabaseId, sync);
  return slot && pg_atomic_read_u64(&slot->verify_done) >= number;
}

// The sync may fail, be paused or dropped while we wait.
void WaitFor(const SyncRow* sync, uint64 number, TimestampTz deadline, const char* verb) {
  static uint32 wait_event = 0;
  if (wait_event == 0) wait_event = NamedWaitEvent("PolyglotSyncVerify");
  ConditionVariable* changed = &Shared()->settled;
  MemoryContext look =
      AllocSetContextCreate(CurrentMemoryContext, "polyglot_sync verify", ALLOCSET_SMALL_SIZES);
  while (!Answered(sync->id, number)) {
    MemoryContextReset(look);
    MemoryContext caller = MemoryContextSwitchTo(look);
    SyncRow* now = LoadSyncById(sync->id);
    if (!now)
      ereport(ERROR,
              (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("sync \"%s\" was dropped", sync->name)));
    CheckRuns(now);
    if (GetCurrentTimestamp() >= deadline) TimedOut(now, verb);
    MemoryContextSwitchTo(caller);
    ConditionVariablePrepareToSleep(changed);
    if (!Answered(sync->id, number))
      (void)ConditionVariableTimedSleep(changed, kLookAgainMs, wait_event);
    ConditionVariableCancelSleep();
  }
}

// In a snapshot of now: that of the caller may be older than what the worker has found.
uint64 ReadResults(const char* sql, int32 sync) {
  Oid types[] = {INT4OID};
  Datum values[] = {Int32GetDatum(sync)};
  AsExtensionOwner as_owner;
  PushActiveSnapshot(GetLatestSnapshot());
  if (SPI_execute_with_args(sql, 1, types, values, nullptr, true, 0) != SPI_OK_SELECT)
    elog(ERROR, "could not read the results of a verification");
  PopActiveSnapshot();
  return SPI_processed;
}

void ReturnDifferences(FunctionCallInfo fcinfo, int32 sync) {
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  SPI_connect();
  const uint64 rows = ReadResults(
      "SELECT key, document_id, problem, detail FROM (SELECT key, document_id, problem, routing,"
      " detail FROM polyglot.difference"
      " WHERE sync_id OPERATOR(pg_catalog.=) $1 AND problem IS NOT NULL"
      " AND number OPERATOR(pg_catalog.=) (SELECT pg_catalog.max(number)"
      " FROM polyglot.verification WHERE sync_id OPERATOR(pg_catalog.=) $1"
      " AND finished_at IS NOT NULL)"
      " UNION ALL (SELECT NULL, NULL, 'incomparable', '', note FROM polyglot.verification"
      " WHERE sync_id OPERATOR(pg_catalog.=) $1 AND finished_at IS NOT NULL AND note IS NOT NULL"
      " AND number OPERATOR(pg_catalog.=) (SELECT pg_catalog.max(number)"
      " FROM polyglot.verification WHERE sync_id OPERATOR(pg_catalog.=) $1"
      " AND finished_at IS NOT NULL))"
      " ORDER BY document_id NULLS FIRST, routing, problem) AS found",
      sync);
  for (uint64 i = 0; i < rows; ++i) {
    Datum values[4];
    bool nulls[4];
    heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
  SPI_finish();
}

int64 CountDifferences(int32 sync) {
  int64 count = 0;
  bool is_null;
  SPI_connect();
  if (ReadResults("SELECT missing OPERATOR(pg_catalog.+) orphan OPERATOR(pg_catalog.+) different"
                  " OPERATOR(pg_catalog.+) stale FROM polyglot.verification"
                  " WHERE sync_id OPERATOR(pg_catalog.=) $1 AND finished_at IS NOT NULL"
                  " ORDER BY number DESC LIMIT 1",
                  sync) > 0)
    count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
  SPI_finish();
  return count;
}

double SampleArgument(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(1)) return 1;
  const float4 sample = PG_GETARG_FLOAT4(1);
  if (!(sample > 0 && sample <= 1))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("sample must be greater than 0 and at most 1"),
                    errhint("0.01 compares about one row in a hundred.")));
  return static_cast<double>(sample);
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_verify_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  PreventCommandDuringRecovery("polyglot.verify_sync()");
  InitMaterializedSRF(fcinfo, 0);
  SyncRow* sync = OwnedSyncArgument(fcinfo);
  const double sample = SampleArgument(fcinfo);
  const TimestampTz deadline = DeadlineArgument(fcinfo, 3);
  CheckRuns(sync);
  const uint64 number = Request(SlotOf(sync, deadline, "verified"), sample, false);
  if (!PG_ARGISNULL(2) && !PG_GETARG_BOOL(2)) {
    ereport(NOTICE, (errmsg("the verification of sync \"%s\" has been asked for", sync->name),
                     errhint("polyglot.verifications shows how far it is, polyglot.differences "
                             "what it has found when it is finished.")));
    return static_cast<Datum>(0);
  }
  WaitFor(sync, number, deadline, "verified");
  ReturnDifferences(fcinfo, sync->id);
  return static_cast<Datum>(0);
}

Datum polyglot_repair_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  PreventCommandDuringRecovery("polyglot.repair_sync()");
  SyncRow* sync = OwnedSyncArgument(fcinfo);
  const TimestampTz deadline = DeadlineArgument(fcinfo, 1);
  CheckRuns(sync);
  const uint64 number = Request(SlotOf(sync, deadline, "repaired"), 1, true);
  WaitFor(sync, number, deadline, "repaired");
  WarnOfDeadLetter(sync->id, sync->name);
  PG_RETURN_INT64(CountDifferences(sync->id));
}
