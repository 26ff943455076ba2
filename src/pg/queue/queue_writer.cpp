#include "pg/queue/queue_writer.h"

#include "pg/queue/queue_targets.h"
#include "pg/shared/shared_state.h"
#include "pg/shared/worker_slots.h"

namespace polyglot::pg {
namespace {

// The current table is a hint: the reader reads both, so a stale choice costs nothing.
int CurrentTable(int32 queue) {
  WorkerSlot* slot = FindWorkerByQueue(MyDatabaseId, queue);
  return slot == nullptr ? 0 : static_cast<int>(pg_atomic_read_u32(&slot->current_table) & 1);
}

Relation OpenUnlockedTable(const QueueTarget& target, int current) {
  const Oid first = target.tables[current], second = target.tables[1 - current];
  Oid chosen = first;
  if (!ConditionalLockRelationOid(first, RowExclusiveLock)) {
    if (ConditionalLockRelationOid(second, RowExclusiveLock))
      chosen = second;
    else
      LockRelationOid(first, RowExclusiveLock);
  }
  return try_relation_open(chosen, NoLock);
}

// Nobody should make an index of a queue table, and nothing here reads it. But CLUSTER, or a query
// by hand, would: rows that are not in it would be lost to them.
void OpenIndexes(QueueWriter* writer) {
  writer->executor = nullptr;
  if (!writer->relation->rd_rel->relhasindex) return;
  writer->executor = CreateExecutorState();
  writer->indexes = makeNode(ResultRelInfo);
  InitResultRelInfo(writer->indexes, writer->relation, 1, nullptr, 0);
  ExecOpenIndices(writer->indexes, false);
}

void InsertIntoIndexes(QueueWriter* writer, HeapTuple tuple) {
  TupleTableSlot* slot =
      MakeSingleTupleTableSlot(RelationGetDescr(writer->relation), &TTSOpsHeapTuple);
  ExecStoreHeapTuple(tuple, slot, false);
  InsertIndexEntries(writer->indexes, slot, writer->executor);
  ExecDropSingleTupleTableSlot(slot);
  ResetPerTupleExprContext(writer->executor);
}

void CloseIndexes(QueueWriter* writer) {
  ExecCloseIndices(writer->indexes);
  FreeExecutorState(writer->executor);
}

}  // namespace

bool OpenQueue(int32 queue, bool many_rows, QueueWriter* writer) {
  QueueTarget target;
  if (!LookupQueueTarget(queue, &target)) return false;
  writer->relation = OpenUnlockedTable(target, CurrentTable(queue));
  if (writer->relation == nullptr) return false;
  writer->bulk = many_rows ? GetBulkInsertState() : nullptr;
  writer->captured_at = GetCurrentTimestamp();
  // Snapshots list top-level transactions only, so the reader compares these.
  writer->xid = U64FromFullTransactionId(GetTopFullTransactionId());
  writer->instance = CachedInstanceNumber();
  OpenIndexes(writer);
  return true;
}

void WriteQueueRow(QueueWriter* writer, struct varlena* packed, int count) {
  Datum values[5] = {TimestampTzGetDatum(writer->captured_at), UInt64GetDatum(writer->xid),
                     Int32GetDatum(writer->instance), Int32GetDatum(count),
                     PointerGetDatum(packed)};
  bool nulls[5] = {false, false, false, false, false};
  HeapTuple tuple = heap_form_tuple(RelationGetDescr(writer->relation), values, nulls);
  heap_insert(writer->relation, tuple, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL,
              writer->bulk);
  if (writer->executor != nullptr) InsertIntoIndexes(writer, tuple);
  heap_freetuple(tuple);
}

void WriteQueueRow(QueueWriter* writer, const char* data, int length, int count) {
  Assert(length <= kMaxQueueData);
  auto* packed = static_cast<struct varlena*>(palloc(static_cast<Size>(length) + VARHDRSZ));
  SET_VARSIZE(packed, length + VARHDRSZ);
  memcpy(VARDATA(packed), data, static_cast<size_t>(length));
  WriteQueueRow(writer, packed, count);
  pfree(packed);
}

void CloseQueue(QueueWriter* writer) {
  if (writer->executor != nullptr) CloseIndexes(writer);
  if (writer->bulk != nullptr) FreeBulkInsertState(writer->bulk);
  relation_close(writer->relation, NoLock);
}

}  // namespace polyglot::pg
