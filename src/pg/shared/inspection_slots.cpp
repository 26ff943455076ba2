#include "pg/shared/inspection_slots.h"

#include "pg/shared/shared_state.h"
#include "pg/shared/worker_slots.h"

namespace polyglot::pg {

namespace {

constexpr int kLongestWaitMs = 5000;
constexpr long kLookAgainMs = 200;
constexpr int kAbandonedMs = 4 * kLongestWaitMs;

InspectionStep StepOf(InspectionSlot* slot) {
  return static_cast<InspectionStep>(pg_atomic_read_u32(&slot->step));
}

void SetStep(InspectionSlot* slot, InspectionStep step) {
  pg_write_barrier();
  pg_atomic_write_u32(&slot->step, static_cast<uint32>(step));
}

bool Abandoned(const InspectionSlot* slot, TimestampTz now) {
  return TimestampDifferenceExceeds(slot->taken_at, now, kAbandonedMs);
}

InspectionSlot* TakeSlot(int32 sync, const char* key, int key_length, uint64* number) {
  SharedState* shared = Shared();
  const TimestampTz now = GetCurrentTimestamp();
  InspectionSlot* taken = nullptr;
  LWLockAcquire(shared->lock, LW_EXCLUSIVE);
  for (InspectionSlot& slot : shared->inspections)
    if (!taken && (StepOf(&slot) == InspectionStep::kFree || Abandoned(&slot, now))) taken = &slot;
  if (taken) {
    *number = ++taken->number;
    taken->taken_at = now;
    taken->database = MyDatabaseId;
    taken->sync = sync;
    taken->key_length = key_length;
    memcpy(taken->key, key, static_cast<size_t>(key_length));
    SetStep(taken, InspectionStep::kAsked);
  }
  LWLockRelease(shared->lock);
  return taken;
}

// Is the slot still this request's, and answered?
bool TakeAnswer(InspectionSlot* slot, uint64 number, bool give_up, IndexAnswer* answer) {
  if (StepOf(slot) != InspectionStep::kAnswered && !give_up) return false;
  bool answered = false;
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  if (slot->number == number) {
    answered = StepOf(slot) == InspectionStep::kAnswered;
    if (answered) memcpy(answer, &slot->answer, sizeof *answer);
    if (answered || give_up) SetStep(slot, InspectionStep::kFree);
  }
  LWLockRelease(Shared()->lock);
  return answered;
}

}  // namespace

bool AskAboutDocument(int32 sync, const char* key, int key_length, IndexAnswer* answer) {
  static uint32 wait_event = 0;
  if (wait_event == 0) wait_event = NamedWaitEvent("PolyglotSyncInspect");
  ConditionVariable* changed = &Shared()->settled;
  const TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kLongestWaitMs);
  InspectionSlot* slot = nullptr;
  uint64 number = 0;
  bool answered = false;
  if (key_length > kInspectedKey) return false;
  while (!answered && GetCurrentTimestamp() < deadline) {
    if (!slot) {
      slot = TakeSlot(sync, key, key_length, &number);
      if (slot) WakeWorkersOf(MyDatabaseId);
    }
    ConditionVariablePrepareToSleep(changed);
    answered = slot && TakeAnswer(slot, number, false, answer);
    if (!answered) (void)ConditionVariableTimedSleep(changed, kLookAgainMs, wait_event);
    ConditionVariableCancelSleep();
  }
  return answered || (slot && TakeAnswer(slot, number, true, answer));
}

int32 AskedSync(int slot) {
  InspectionSlot* asked = &Shared()->inspections[slot];
  if (StepOf(asked) != InspectionStep::kAsked) return 0;
  pg_read_barrier();
  return asked->database == MyDatabaseId ? asked->sync : 0;
}

bool TakeInspection(int slot, int32 sync, uint64* number, char* key, int* key_length) {
  InspectionSlot* asked = &Shared()->inspections[slot];
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  const bool ours = StepOf(asked) == InspectionStep::kAsked && asked->database == MyDatabaseId &&
                    asked->sync == sync;
  if (ours) {
    *number = asked->number;
    *key_length = asked->key_length;
    memcpy(key, asked->key, static_cast<size_t>(asked->key_length));
    SetStep(asked, InspectionStep::kTaken);
  }
  LWLockRelease(Shared()->lock);
  return ours;
}

void GiveAnswer(int slot, uint64 number, const IndexAnswer& answer) {
  InspectionSlot* asked = &Shared()->inspections[slot];
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  if (asked->number == number && StepOf(asked) == InspectionStep::kTaken) {
    memcpy(&asked->answer, &answer, sizeof answer);
    SetStep(asked, InspectionStep::kAnswered);
  }
  LWLockRelease(Shared()->lock);
}

}  // namespace polyglot::pg
