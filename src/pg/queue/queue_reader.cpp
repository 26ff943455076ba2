#include "pg/queue/queue_reader.h"

#include <algorithm>

#include "pg/queue/queue_writer.h"

namespace polyglot::pg {
namespace {

// Late rows are few; a table that was rewritten comes back whole, and is read on by passes.
constexpr std::int64_t kRotationBudget = 5000;

// xid.c and snapmgr.c keep the like of these private: a 32-bit id near the next one, widened.
std::uint64_t Widen(TransactionId xid, FullTransactionId next) {
  if (!TransactionIdIsNormal(xid)) return xid;
  std::uint32_t epoch = EpochFromFullTransactionId(next);
  if (xid > XidFromFullTransactionId(next)) --epoch;
  return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, xid));
}

core::RowVisibility Visibility(HeapTuple tuple, Snapshot snapshot, Buffer buffer) {
  if (HeapTupleSatisfiesVisibility(tuple, snapshot, buffer)) return core::RowVisibility::kVisible;
  return HeapTupleHeaderXminInvalid(tuple->t_data) ? core::RowVisibility::kAborted
                                                   : core::RowVisibility::kPending;
}

HeapTupleData TupleAt(Relation rel, Page page, BlockNumber block, OffsetNumber line) {
  ItemId item = PageGetItemId(page, line);
  HeapTupleData tuple;
  tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
  tuple.t_len = ItemIdGetLength(item);
  tuple.t_tableOid = RelationGetRelid(rel);
  ItemPointerSet(&tuple.t_self, block, line);
  return tuple;
}

void CopyRow(HeapTuple tuple, TupleDesc desc, std::uint32_t table, QueueRows* out) {
  Datum values[5];
  bool nulls[5];
  heap_deform_tuple(tuple, desc, values, nulls);
  auto* data = reinterpret_cast<struct varlena*>(DatumGetPointer(values[4]));
  QueueRow row;
  row.captured_at = DatumGetTimestampTz(values[0]);
  row.xid = DatumGetUInt64(values[1]);
  row.instance = DatumGetInt32(values[2]);
  row.count = DatumGetInt32(values[3]);
  row.table = table;
  row.block = ItemPointerGetBlockNumber(&tuple->t_self);
  row.line_pointer = ItemPointerGetOffsetNumber(&tuple->t_self);
  row.offset = out->bytes.size();
  row.length = VARSIZE_ANY_EXHDR(data);
  out->bytes.append(VARDATA_ANY(data), row.length);
  out->rows.push_back(row);
}

// nullptr: not now.
Relation OpenAtOnce(Oid table) {
  if (!ConditionalLockRelationOid(table, AccessShareLock)) return nullptr;
  Relation rel = try_relation_open(table, NoLock);
  if (rel == nullptr) UnlockRelationOid(table, AccessShareLock);
  return rel;
}

void CopyVisible(Relation rel, ::Snapshot snapshot, BlockNumber block, QueueRows* out) {
  Buffer buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, nullptr);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Page page = BufferGetPage(buffer);
  const OffsetNumber lines = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
  for (OffsetNumber line = 1; line <= lines; line++) {
    if (!ItemIdIsNormal(PageGetItemId(page, line))) continue;
    HeapTupleData tuple = TupleAt(rel, page, block, line);
    if (Visibility(&tuple, snapshot, buffer) == core::RowVisibility::kVisible)
      CopyRow(&tuple, RelationGetDescr(rel), 0, out);
  }
  UnlockReleaseBuffer(buffer);
}

}  // namespace

bool CountQueueBlocks(Oid table, BlockNumber* blocks) {
  Relation rel = OpenAtOnce(table);
  if (rel == nullptr) return false;
  *blocks = RelationGetNumberOfBlocks(rel);
  relation_close(rel, AccessShareLock);
  return true;
}

bool ReadQueueBlocks(Oid table, BlockNumber first, BlockNumber last, QueueRows* out) {
  Relation rel = OpenAtOnce(table);
  if (rel == nullptr) return false;
  last = Min(last, RelationGetNumberOfBlocks(rel));
  for (BlockNumber block = first; block < last; block++)
    CopyVisible(rel, GetActiveSnapshot(), block, out);
  relation_close(rel, AccessShareLock);
  return true;
}

void QueueRows::Clear() {
  bytes.clear();
  rows.clear();
}

core::Snapshot CurrentSnapshot() {
  ::Snapshot active = GetActiveSnapshot();
  const FullTransactionId next = ReadNextFullTransactionId();
  core::Snapshot result;
  result.xmin = Widen(active->xmin, next);
  result.xmax = Widen(active->xmax, next);
  for (uint32 i = 0; i < active->xcnt; i++) result.running.push_back(Widen(active->xip[i], next));
  std::sort(result.running.begin(), result.running.end());
  return result;
}

QueueReader::QueueReader(const Oid tables[2]) {
  tables_[0].oid = tables[0];
  tables_[1].oid = tables[1];
}

void QueueReader::Reset() {
  for (Table& table : tables_) table.scan.Reset();
  in_pass_ = false;
}

bool QueueReader::Exists() const {
  for (const Table& table : tables_) {
    Relation rel = try_relation_open(table.oid, AccessShareLock);
    if (rel == nullptr) return false;
    relation_close(rel, NoLock);
  }
  return true;
}

void FlushEverythingVisible() {
  // On a fresh page the insert position stands behind the page header, which is not written yet:
  // flushing up to there would be an error. Nothing but the header is there. Only the first page of
  // a segment has the long one: behind it, on any other page, stand the ends of records.
  const XLogRecPtr inserted = GetXLogInsertRecPtr();
  const bool segment = inserted % static_cast<XLogRecPtr>(wal_segment_size) < XLOG_BLCKSZ;
  const XLogRecPtr header = segment ? SizeOfXLogLongPHD : SizeOfXLogShortPHD;
  XLogFlush(inserted % XLOG_BLCKSZ == header ? inserted - header : inserted);
}

std::uint64_t QueueReader::UnreadBlocks() const {
  std::uint64_t unread = 0;
  for (const Table& table : tables_)
    if (table.blocks > table.scan.next_block()) unread += table.blocks - table.scan.next_block();
  return unread;
}

void QueueReader::BeginPass(bool full, core::Time now) {
  for (Table& table : tables_) {
    Relation rel = table_open(table.oid, AccessShareLock);
    table.blocks = RelationGetNumberOfBlocks(rel);
    // Another file (VACUUM FULL, CLUSTER) or fewer blocks: what was delivered cannot be told any
    // more.
    if (table.file != RelationFileNumber(rel) || table.scan.Shrunk(table.blocks))
      table.scan.Reset();
    table.file = RelationFileNumber(rel);
    table.scan.BeginPass(table.blocks, full, now);
    table_close(rel, AccessShareLock);
  }
  pass_snapshot_ = CurrentSnapshot();
  pass_full_ = full;
  pass_table_ = 0;
  in_pass_ = true;
}

bool QueueReader::Step(bool full, std::int64_t budget, core::Time now, QueueRows* out) {
  const bool small = tables_[0].scan.open_blocks() + tables_[1].scan.open_blocks() <= 128;
  if (!in_pass_) BeginPass(full || small, now);
  for (; pass_table_ < 2; ++pass_table_) {
    Table& table = tables_[pass_table_];
    Relation rel = table_open(table.oid, AccessShareLock);
    table.blocks = RelationGetNumberOfBlocks(rel);
    const bool same = table.file == RelationFileNumber(rel) && !table.scan.Shrunk(table.blocks);
    const bool done = same && StepTable(pass_table_, rel, GetActiveSnapshot(), &budget, now, out);
    table_close(rel, AccessShareLock);
    if (!same) {
      in_pass_ = false;  // rewritten or cut off in the middle of the pass: begin again
      return false;
    }
    if (!done) return false;
  }
  in_pass_ = false;
  return true;
}

bool QueueReader::StepTable(int number, Relation rel, ::Snapshot snapshot, std::int64_t* budget,
                            core::Time now, QueueRows* out) {
  BlockNumber block;
  while (*budget > 0) {
    if (!tables_[number].scan.NextBlock(&block)) return true;
    const std::size_t before = out->rows.size();
    ReadBlock(number, rel, snapshot, block, now, out);
    for (std::size_t i = before; i < out->rows.size(); i++) *budget -= out->rows[i].count;
    CHECK_FOR_INTERRUPTS();
  }
  return false;
}

void QueueReader::ReadBlock(int number, Relation rel, ::Snapshot snapshot, BlockNumber block,
                            core::Time now, QueueRows* out) {
  Buffer buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, nullptr);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Page page = BufferGetPage(buffer);
  page_.rows.clear();
  page_.initialized = !PageIsNew(page);
  page_.line_pointers = page_.initialized ? PageGetMaxOffsetNumber(page) : 0;
  page_.room_for_a_row =
      !page_.initialized || PageGetHeapFreeSpace(page) >= static_cast<Size>(kMinQueueRow);
  for (OffsetNumber line = 1; line <= page_.line_pointers; line++) {
    if (!ItemIdIsNormal(PageGetItemId(page, line))) continue;
    HeapTupleData tuple = TupleAt(rel, page, block, line);
    const core::RowVisibility visibility = Visibility(&tuple, snapshot, buffer);
    page_.rows.push_back({line, HeapTupleHeaderGetRawXmin(tuple.t_data), visibility});
  }
  deliver_.clear();
  tables_[number].scan.ShowPage(block, page_, now, &deliver_);
  for (std::uint16_t line : deliver_) {
    HeapTupleData tuple = TupleAt(rel, page, block, line);
    CopyRow(&tuple, RelationGetDescr(rel), static_cast<std::uint32_t>(number), out);
  }
  UnlockReleaseBuffer(buffer);
}

std::int64_t QueueReader::CountVisible(Relation rel, ::Snapshot snapshot) {
  std::int64_t count = 0;
  TableScanDesc scan = table_beginscan(rel, snapshot, 0, nullptr);
  TupleTableSlot* slot = table_slot_create(rel, nullptr);
  while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) count++;
  ExecDropSingleTupleTableSlot(slot);
  table_endscan(scan);
  return count;
}

QueueReader::Rotation QueueReader::PrepareRotation(int number, core::Time now, QueueRows* out) {
  Table& table = tables_[number];
  // A waiting ACCESS EXCLUSIVE request would make every later writer wait.
  if (!ConditionalLockRelationOid(table.oid, AccessExclusiveLock)) return Rotation::kLocked;
  Relation rel = table_open(table.oid, NoLock);
  PushActiveSnapshot(GetLatestSnapshot());
  Rotation result = Rotation::kReady;
  table.blocks = RelationGetNumberOfBlocks(rel);
  if (table.file != RelationFileNumber(rel) || table.scan.Shrunk(table.blocks)) {
    table.scan.Reset();
    result = Rotation::kMismatch;
  } else {
    std::int64_t budget = kRotationBudget;
    table.scan.BeginPass(table.blocks, true, now);
    StepTable(number, rel, GetActiveSnapshot(), &budget, now, out);
    const auto delivered = static_cast<std::int64_t>(table.scan.delivered());
    if (!out->rows.empty()) {
      result = Rotation::kFoundRows;
    } else if (CountVisible(rel, GetActiveSnapshot()) != delivered) {
      table.scan.Reset();
      result = Rotation::kMismatch;
    }
  }
  PopActiveSnapshot();
  table_close(rel, NoLock);
  in_pass_ = false;
  return result;
}

bool QueueReader::TryLock(int number) const {
  return ConditionalLockRelationOid(tables_[number].oid, AccessExclusiveLock);
}

void QueueReader::Measure() {
  for (Table& table : tables_) {
    Relation rel = try_relation_open(table.oid, AccessShareLock);
    if (rel == nullptr) continue;
    table.blocks = RelationGetNumberOfBlocks(rel);
    relation_close(rel, AccessShareLock);
  }
}

void QueueReader::Truncate(int number) {
  Relation rel = table_open(tables_[number].oid, NoLock);
  TruncateUnlogged(rel);
  table_close(rel, NoLock);
}

void QueueReader::Truncated(int number) {
  tables_[number].scan.Reset();
  tables_[number].file = InvalidOid;
  tables_[number].blocks = 0;
  in_pass_ = false;
}

}  // namespace polyglot::pg
