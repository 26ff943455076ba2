#include "pg/capture/transaction_buffer.h"

#include "pg/queue/queue_writer.h"
#include "pg/settings.h"
#include "pg/shared/worker_slots.h"

namespace polyglot::pg {
namespace {

// A record in memory: header, then `length` bytes of values. Unaligned: read with memcpy.
struct RecordHeader {
  CapturePlan* plan;
  uint16 length;
  uint8 kind;
};
constexpr int kHeader = sizeof(CapturePlan*) + 3;

// Where the records of a nesting level begin; a level without records has no mark.
struct Mark {
  int level;
  int start;
};

// All of it lives in TopTransactionContext; `bytes == nullptr` means: nothing recorded yet.
struct Buffer {
  char* bytes;
  int length, capacity;
  int last;  // start of the newest record of this level, -1: none (to drop repetitions cheaply)
  Mark* marks;
  int mark_count, mark_capacity;
  bool precommit;  // PRE_COMMIT is over: later records are written at once
};
Buffer buffer;
bool wrote_queue = false;
bool wake_all = false;
constexpr int kMaxWritten = 64;
int32 written[kMaxWritten];  // queues that this transaction wrote to
int written_count = 0;

RecordHeader HeaderAt(int at) {
  RecordHeader header;
  const char* p = buffer.bytes + at;
  memcpy(&header.plan, p, sizeof header.plan);
  memcpy(&header.length, p + sizeof header.plan, sizeof header.length);
  header.kind = static_cast<uint8>(p[sizeof header.plan + sizeof header.length]);
  return header;
}

int RecordSize(const RecordHeader& header) { return kHeader + header.length; }

void Reserve(int more) {
  // What is stored is true even if the allocation after it fails and a savepoint takes that.
  if (buffer.marks == nullptr) {
    constexpr int kMarks = 8;
    buffer.marks =
        static_cast<Mark*>(MemoryContextAlloc(TopTransactionContext, sizeof(Mark) * kMarks));
    buffer.mark_capacity = kMarks;
  }
  if (buffer.bytes == nullptr) {
    constexpr int kBytes = 8192;
    buffer.bytes = static_cast<char*>(MemoryContextAlloc(TopTransactionContext, kBytes));
    buffer.capacity = kBytes;
    buffer.last = -1;
  }
  int capacity = buffer.capacity;
  if (buffer.length + more <= capacity) return;
  while (buffer.length + more > capacity) capacity *= 2;
  buffer.bytes = static_cast<char*>(repalloc(buffer.bytes, static_cast<Size>(capacity)));
  buffer.capacity = capacity;
}

// ---- writing to the queues -------------------------------------------------------------------

// Records of the range that are seen for the first time, by content; the kind does not count for
// key events, because the worker re-reads the row whatever happened to it.
struct Distinct {
  uint32* table;
  uint32 mask;
};

bool SameRecord(const RecordHeader& a, int at, const RecordHeader& b, int bt) {
  return a.plan == b.plan && a.length == b.length && (a.length > 0 || a.kind == b.kind) &&
         memcmp(buffer.bytes + at + kHeader, buffer.bytes + bt + kHeader, a.length) == 0;
}

uint32 HashRecord(const RecordHeader& header, int at) {
  const auto* values = reinterpret_cast<const unsigned char*>(buffer.bytes + at + kHeader);
  return DatumGetUInt32(hash_any(values, header.length)) ^
         static_cast<uint32>(reinterpret_cast<uintptr_t>(header.plan) >> 4);
}

bool AddDistinct(Distinct* set, const RecordHeader& header, int at) {
  uint32 slot = HashRecord(header, at) & set->mask;
  while (set->table[slot] != 0) {
    const int other = static_cast<int>(set->table[slot] - 1);
    if (SameRecord(header, at, HeaderAt(other), other)) return false;
    slot = (slot + 1) & set->mask;
  }
  set->table[slot] = static_cast<uint32>(at) + 1;
  return true;
}

// One queue row being filled.
struct Chunk {
  char* data;
  int length;
  int count;     // records in the row
  int group_at;  // start of the open group's header, -1: none
  CapturePlan* plan;
};

int GroupHeaderSize(const CapturePlan* plan) {
  return static_cast<int>(core::kGroupHeader +
                          core::kColumnHeader * static_cast<size_t>(plan->column_count));
}

void OpenGroup(Chunk* chunk, CapturePlan* plan) {
  char* p = chunk->data + chunk->length;
  chunk->group_at = chunk->length;
  chunk->plan = plan;
  const uint32 source = plan->source;
  const auto columns = static_cast<uint16>(plan->column_count);
  memcpy(p, &source, 4);
  memcpy(p + 4, &columns, 2);
  memset(p + 6, 0, 2);
  p += core::kGroupHeader;
  for (int i = 0; i < plan->column_count; i++, p += core::kColumnHeader) {
    const int16 att = plan->columns[i].source_att;
    const uint32 type = plan->columns[i].stamp;
    memcpy(p, &att, 2);
    memcpy(p + 2, &type, 4);
  }
  chunk->length += GroupHeaderSize(plan);
}

void AddToGroup(Chunk* chunk, const RecordHeader& header, const char* values) {
  char* p = chunk->data + chunk->length;
  p[0] = static_cast<char>(header.kind);
  memcpy(p + 1, &header.length, 2);
  memcpy(p + core::kRecordHeader, values, header.length);
  chunk->length += static_cast<int>(core::kRecordHeader) + header.length;
  uint16 records;
  memcpy(&records, chunk->data + chunk->group_at + 6, 2);
  records++;
  memcpy(chunk->data + chunk->group_at + 6, &records, 2);
  chunk->count++;
}

// The bytes of a row are kept for the life of the backend, with room for the header of a bytea.
Chunk EmptyChunk() {
  static char* row = nullptr;
  if (row == nullptr)
    row = static_cast<char*>(MemoryContextAlloc(TopMemoryContext, kMaxQueueData + VARHDRSZ));
  return {row + VARHDRSZ, 0, 0, -1, nullptr};
}

void EmitChunk(QueueWriter* writer, Chunk* chunk) {
  SET_VARSIZE(chunk->data - VARHDRSZ, chunk->length + VARHDRSZ);
  if (chunk->count > 0)
    WriteQueueRow(writer, reinterpret_cast<struct varlena*>(chunk->data - VARHDRSZ), chunk->count);
  *chunk = EmptyChunk();
}

void AddToChunk(QueueWriter* writer, Chunk* chunk, const RecordHeader& header, const char* values) {
  const int record = static_cast<int>(core::kRecordHeader) + header.length;
  const int group = chunk->plan == header.plan ? 0 : GroupHeaderSize(header.plan);
  if (chunk->length + group + record > kMaxQueueData) EmitChunk(writer, chunk);
  if (chunk->plan != header.plan) OpenGroup(chunk, header.plan);
  AddToGroup(chunk, header, values);
}

bool Wants(const CapturePlan* plan, int32 queue) {
  for (int i = 0; i < plan->queue_count; i++)
    if (plan->queues[i] == queue) return true;
  return false;
}

void RememberWritten(int32 queue) {
  wrote_queue = true;
  for (int i = 0; i < written_count; i++)
    if (written[i] == queue) return;
  if (written_count < kMaxWritten)
    written[written_count++] = queue;
  else
    wake_all = true;
}

void WriteToQueue(int32 queue, const int* records, int count) {
  QueueWriter writer;
  if (!OpenQueue(queue, count > 100, &writer)) return;
  Chunk chunk = EmptyChunk();
  for (int i = 0; i < count; i++) {
    const RecordHeader header = HeaderAt(records[i]);
    if (Wants(header.plan, queue))
      AddToChunk(&writer, &chunk, header, buffer.bytes + records[i] + kHeader);
  }
  EmitChunk(&writer, &chunk);
  CloseQueue(&writer);
  RememberWritten(queue);
}

// Records whose relation or server has no sync any more are discarded here: their plan, looked up
// again after an invalidation, names no queue.
List* QueuesOf(const int* records, int count) {
  List* queues = NIL;
  CapturePlan* previous = nullptr;
  for (int i = 0; i < count; i++) {
    CapturePlan* plan = HeaderAt(records[i]).plan;
    if (plan == previous) continue;
    previous = plan;
    RefreshPlanQueues(plan);
    for (int q = 0; q < plan->queue_count; q++)
      queues = list_append_unique_int(queues, plan->queues[q]);
  }
  return queues;
}

int CollectDistinct(int from, int to, int* records) {
  Distinct set = {nullptr, 63};
  while (static_cast<int>(set.mask) < 2 * (to - from) / kHeader) set.mask = set.mask * 2 + 1;
  set.table = static_cast<uint32*>(palloc0(sizeof(uint32) * (static_cast<Size>(set.mask) + 1)));
  int count = 0;
  for (int at = from; at < to;) {
    const RecordHeader header = HeaderAt(at);
    if (AddDistinct(&set, header, at)) records[count++] = at;
    at += RecordSize(header);
  }
  return count;
}

void WriteRecords(const int* records, int count) {
  List* queues = QueuesOf(records, count);
  ListCell* cell;
  foreach (cell, queues) WriteToQueue(lfirst_int(cell), records, count);
  list_free(queues);
}

// 0: there are more than fit.
int CollectFew(int from, int to, int* records, int max) {
  int count = 0;
  for (int at = from; at < to;) {
    const RecordHeader header = HeaderAt(at);
    bool known = false;
    for (int i = 0; i < count && !known; i++)
      known = SameRecord(header, at, HeaderAt(records[i]), records[i]);
    if (!known && count == max) return 0;
    if (!known) records[count++] = at;
    at += RecordSize(header);
  }
  return count;
}

void FlushMany(int from, int to) {
  MemoryContext work =
      AllocSetContextCreate(CurrentMemoryContext, "polyglot_sync flush", ALLOCSET_DEFAULT_SIZES);
  MemoryContext old = MemoryContextSwitchTo(work);
  int* records = static_cast<int*>(palloc(sizeof(int) * static_cast<Size>((to - from) / kHeader)));
  WriteRecords(records, CollectDistinct(from, to, records));
  MemoryContextSwitchTo(old);
  MemoryContextDelete(work);
}

// Most transactions change a few rows: what many need would be most of what they pay.
void FlushRange(int from, int to) {
  if (from >= to) return;
  int few[8];
  const int count = CollectFew(from, to, few, lengthof(few));
  if (count > 0)
    WriteRecords(few, count);
  else
    FlushMany(from, to);
}

int LevelStart() {
  if (buffer.mark_count == 0) return GetCurrentTransactionNestLevel() > 1 ? buffer.length : 0;
  const Mark& top = buffer.marks[buffer.mark_count - 1];
  return top.level == GetCurrentTransactionNestLevel() ? top.start : buffer.length;
}

// Only this level's records: the rows carry its xid and vanish with it, its parent's must not.
void FlushLevel() {
  const int start = LevelStart();
  FlushRange(start, buffer.length);
  buffer.length = start;
  buffer.last = -1;
}

void FlushAll() {
  FlushRange(0, buffer.length);
  buffer.length = 0;
  buffer.last = -1;
  buffer.mark_count = 0;
}

void MarkLevel() {
  const int level = GetCurrentTransactionNestLevel();
  if (level <= 1) return;
  if (buffer.mark_count > 0 && buffer.marks[buffer.mark_count - 1].level >= level) return;
  if (buffer.mark_count == buffer.mark_capacity) {
    buffer.marks = static_cast<Mark*>(
        repalloc(buffer.marks, sizeof(Mark) * static_cast<Size>(buffer.mark_capacity * 2)));
    buffer.mark_capacity *= 2;
  }
  buffer.marks[buffer.mark_count++] = {level, buffer.length};
  buffer.last = -1;
}

int BufferLimit() { return settings.capture_buffer_kb * 1024; }

void Append(CapturePlan* plan, uint8 kind, const char* values, uint16 length) {
  Reserve(0);
  MarkLevel();
  if (buffer.length - LevelStart() > BufferLimit()) FlushLevel();
  Reserve(kHeader + length);
  const int at = buffer.length;
  char* p = buffer.bytes + at;
  memcpy(p, &plan, sizeof plan);
  memcpy(p + sizeof plan, &length, sizeof length);
  p[sizeof plan + sizeof length] = static_cast<char>(kind);
  if (length > 0) memcpy(p + kHeader, values, length);
  if (buffer.last >= 0 && SameRecord(HeaderAt(buffer.last), buffer.last, HeaderAt(at), at)) return;
  buffer.length += kHeader + length;
  buffer.last = at;
  if (buffer.precommit) FlushAll();
}

// ---- transaction callbacks -------------------------------------------------------------------

void Forget() {
  memset(&buffer, 0, sizeof buffer);
  buffer.last = -1;
  wrote_queue = wake_all = false;
  written_count = 0;
}

void WakeWritten() {
  for (int i = 0; i < written_count; i++) WakeWorker(MyDatabaseId, written[i]);
  if (wake_all) WakeWorkersOf(MyDatabaseId);
}

void OnTransaction(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_PRE_COMMIT:
    case XACT_EVENT_PRE_PREPARE:
      if (buffer.bytes != nullptr) FlushAll();
      buffer.precommit = true;
      break;
    case XACT_EVENT_COMMIT:
      WakeWritten();
      Forget();
      ReleaseStalePlans();
      break;
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
      Forget();
      ReleaseStalePlans();
      break;
    default:
      break;
  }
}

void OnSubCommit(int level) {
  Mark* top = &buffer.marks[buffer.mark_count - 1];
  const bool parent_is_marked =
      level == 2 ||
      (buffer.mark_count > 1 && buffer.marks[buffer.mark_count - 2].level == level - 1);
  if (parent_is_marked)
    buffer.mark_count--;
  else
    top->level = level - 1;
  buffer.last = -1;
}

void OnSubtransaction(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  if (buffer.bytes == nullptr || buffer.mark_count == 0) return;
  const int level = GetCurrentTransactionNestLevel();
  if (buffer.marks[buffer.mark_count - 1].level != level) return;
  if (event == SUBXACT_EVENT_PRE_COMMIT_SUB) {
    // A long series of small subtransactions must not pile up in the parent's part.
    if (buffer.length > BufferLimit()) FlushLevel();
  } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
    OnSubCommit(level);
  } else if (event == SUBXACT_EVENT_ABORT_SUB) {
    buffer.length = buffer.marks[--buffer.mark_count].start;
    buffer.last = -1;
  }
}

}  // namespace

void InitTransactionBuffer() {
  Forget();
  RegisterXactCallback(OnTransaction, nullptr);
  RegisterSubXactCallback(OnSubtransaction, nullptr);
}

bool HasCapturedChanges() { return buffer.length > 0 || wrote_queue; }

bool RecordFits(const CapturePlan* plan, int length) {
  return GroupHeaderSize(plan) + static_cast<int>(core::kRecordHeader) + length <= kMaxQueueData;
}

void AppendRecord(CapturePlan* plan, core::EventKind kind, const char* values, int length) {
  if (!RecordFits(plan, length) || (plan->unfit && kind != core::EventKind::kTruncate)) {
    kind = core::EventKind::kResync;
    length = 0;
  }
  Append(plan, static_cast<uint8>(kind), values, static_cast<uint16>(length));
}

void RecordSourceEvent(Oid source, core::EventKind kind) {
  CapturePlan* plan = LookupCapturePlan(source, source);
  if (plan->queue_count > 0) AppendRecord(plan, kind, nullptr, 0);
}

void WakeAllWorkersAtCommit() { wake_all = true; }

}  // namespace polyglot::pg
