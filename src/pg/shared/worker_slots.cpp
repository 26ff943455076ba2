#include "pg/shared/worker_slots.h"

#include "pg/shared/shared_state.h"

namespace polyglot::pg {

WorkerSlot* FindWorkerByQueue(Oid database, int32 queue) {
  if (Shared() == nullptr) return nullptr;
  static WorkerSlot* recent = nullptr;  // every writing transaction comes here twice
  if (recent != nullptr && recent->database == database && recent->queue == queue) return recent;
  for (int i = 0; i < Shared()->slots_taken; ++i) {
    WorkerSlot* slot = &Shared()->workers[i];
    if (slot->database == database && slot->queue == queue) return recent = slot;
  }
  return nullptr;
}

WorkerSlot* FindWorkerByServer(Oid database, Oid server) {
  if (Shared() == nullptr) return nullptr;
  for (WorkerSlot& slot : Shared()->workers)
    if (slot.database == database && slot.server == server) return &slot;
  return nullptr;
}

void WakeWorker(Oid database, int32 queue) {
  WorkerSlot* slot = FindWorkerByQueue(database, queue);
  if (slot == nullptr) return;
  pg_memory_barrier();
  if (pg_atomic_read_u32(&slot->asleep) == 0) return;
  if (pg_atomic_exchange_u32(&slot->asleep, 0) != 0) SetProcessLatch(slot->process_number);
}

void WakeWorkersOf(Oid database) {
  if (Shared() == nullptr) return;
  for (WorkerSlot& slot : Shared()->workers)
    if (slot.database == database) SetProcessLatch(slot.process_number);
}

void WakeLauncher() {
  if (Shared() != nullptr) SetProcessLatch(Shared()->launcher_process_number);
}

void MarkDatabaseDirty(Oid database) {
  if (Shared() == nullptr) return;
  LWLockAcquire(Shared()->lock, LW_EXCLUSIVE);
  bool known = false;
  for (int i = 0; i < Shared()->dirty_count; i++) known |= Shared()->dirty_databases[i] == database;
  if (!known) {
    if (Shared()->dirty_count < static_cast<int>(lengthof(Shared()->dirty_databases)))
      Shared()->dirty_databases[Shared()->dirty_count++] = database;
    else
      pg_atomic_write_u32(&Shared()->probe_all, 1);
  }
  LWLockRelease(Shared()->lock);
}

}  // namespace polyglot::pg
