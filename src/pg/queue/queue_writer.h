#pragma once
// Writes packed key records into a queue's current table.

#include "pg/prelude.h"

namespace polyglot::pg {

/// Payload that fills a heap page exactly with one row (captured_at, xid, instance, n, data).
inline constexpr int kQueueRowHeader =
    static_cast<int>(MAXALIGN(SizeofHeapTupleHeader)) + 8 + 8 + 4 + 4 + VARHDRSZ;
inline constexpr int kMaxQueueData = static_cast<int>(MaxHeapTupleSize) - kQueueRowHeader;
/// No queue row is smaller than this: a page with less free space can take no further row.
inline constexpr int kMinQueueRow = static_cast<int>(MAXALIGN(kQueueRowHeader + 8));

/// An open queue table of the running transaction.
struct QueueWriter {
  Relation relation;
  BulkInsertState bulk;  // nullptr: single row
  TimestampTz captured_at;
  uint64 xid;
  int32 instance;
  EState* executor;  // nullptr: no index
  ResultRelInfo* indexes;
};

/// Opens the queue's current table, or the other one when the current is locked (rotation), so a
/// writer does not wait. false: there is no such queue any more.
bool OpenQueue(int32 queue, bool many_rows, QueueWriter* writer);
/// Inserts one row of `count` records. Never decoded by logical replication
/// (HEAP_INSERT_NO_LOGICAL).
void WriteQueueRow(QueueWriter* writer, const char* data, int length, int count);
/// The same, of bytes that have their header already.
void WriteQueueRow(QueueWriter* writer, struct varlena* packed, int count);
void CloseQueue(QueueWriter* writer);

}  // namespace polyglot::pg
