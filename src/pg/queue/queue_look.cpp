#include "pg/queue/queue_look.h"

#include <algorithm>

#include "core/queue/control_record.h"
#include "core/queue/queue_record.h"
#include "pg/catalog/instance.h"
#include "pg/catalog/queue_tables.h"
#include "pg/guard.h"
#include "pg/queue/acknowledged.h"
#include "pg/queue/queue_reader.h"

namespace polyglot::pg {
namespace {

// Of a table of more blocks than that: its ends, and what comes first that is not settled.
constexpr BlockNumber kWhole = 128, kHead = 32, kWindow = 48, kTail = 16;

struct Part {
  BlockNumber first = 0, last = 0;
  QueueRows rows;
};

struct TableLook {
  Oid table = InvalidOid;
  BlockNumber blocks = 0;
  Part head, window, tail;  // the head is all there is of a small table
  bool IsWhole() const { return blocks <= kWhole; }
};

class Looker {
 public:
  Looker(const std::vector<const SyncRow*>& syncs) {
    for (const SyncRow* sync : syncs) look_.syncs.push_back({sync, AcknowledgedOf(*sync)});
  }

  QueueLook Run(int32 queue) {
    QueueTables tables;
    bool found = false;
    Call([&] {
      found = LookupQueue(queue, &tables);
      if (found) instance_ = InstanceNumber();
    });
    if (!found) return std::move(look_);
    for (int i = 0; i < 2; i++) tables_[i].table = tables.tables[i];
    for (TableLook& table : tables_) ReadEnds(&table);
    FindAcknowledged();
    for (TableLook& table : tables_) {
      ReadWindow(&table);
      Count(table);
    }
    return std::move(look_);
  }

 private:
  void Read(Oid table, Part* part) {
    bool read = false, out_of_memory = false;
    Call([&] {
      try {
        read = ReadQueueBlocks(table, part->first, part->last, &part->rows);
      } catch (const std::bad_alloc&) {
        out_of_memory = true;
      }
    });
    if (out_of_memory) throw std::bad_alloc();
    look_.seen &= read;
  }

  void ReadEnds(TableLook* table) {
    bool counted = false;
    Call([&] { counted = CountQueueBlocks(table->table, &table->blocks); });
    look_.seen &= counted;
    look_.bytes += uint64{table->blocks} * BLCKSZ;
    table->head.last = table->IsWhole() ? table->blocks : kHead;
    Read(table->table, &table->head);
    if (table->IsWhole()) return;
    table->tail.first = table->blocks - kTail;
    table->tail.last = table->blocks;
    Read(table->table, &table->tail);
  }

  void TakeControl(const QueueRows& rows, core::ControlAssembler* assembler) const {
    for (const QueueRow& row : rows.rows) {
      if (row.instance != instance_) continue;
      core::RecordReader records(rows.Data(row));
      core::KeyEvent event;
      if (records.Next(&event) && event.kind == core::EventKind::kControl)
        assembler->Add(event.values);
    }
  }

  // After a restart of the server shared memory knows nothing before a worker has run.
  void FindAcknowledged() {
    core::ControlAssembler assembler;
    for (const TableLook& table : tables_)
      for (const Part* part : {&table.head, &table.tail}) TakeControl(part->rows, &assembler);
    core::ControlRecord newest;
    if (!assembler.Newest(&newest)) return;
    for (QueuedChanges& sync : look_.syncs) {
      const auto position = newest.positions.find(sync.sync->id);
      if (sync.acknowledged.xmax == 0 && position != newest.positions.end())
        sync.acknowledged = position->second.snapshot;
    }
  }

  bool Waits(const QueueRow& row) const {
    return std::any_of(look_.syncs.begin(), look_.syncs.end(),
                       [&row](const auto& sync) { return !sync.acknowledged.Sees(row.xid); });
  }

  // Rows lie about in the order of their commits, so what waits comes last.
  BlockNumber FirstWaiting(Oid table, BlockNumber first, BlockNumber last) {
    while (first < last) {
      Part part;
      part.first = first + (last - first) / 2;
      part.last = part.first + 1;
      Read(table, &part);
      const auto& rows = part.rows.rows;
      const bool waits =
          std::any_of(rows.begin(), rows.end(), [this](const QueueRow& row) { return Waits(row); });
      if (waits)
        last = part.first;
      else
        first = part.last;
    }
    return first;
  }

  void ReadWindow(TableLook* table) {
    if (table->IsWhole()) return;
    Part& window = table->window;
    window.first = FirstWaiting(table->table, table->head.last, table->tail.first);
    window.last = std::min(window.first + kWindow, table->tail.first);
    Read(table->table, &window);
  }

  uint64 CountIn(const QueueRows& rows, QueuedChanges* sync) const {
    uint64 count = 0;
    for (const QueueRow& row : rows.rows) {
      if (row.instance != instance_ || row.captured_at < sync->sync->created_at) continue;
      if (sync->acknowledged.Sees(row.xid)) continue;
      core::RecordReader records(rows.Data(row));
      core::KeyEvent event;
      uint64 here = 0;
      while (records.Next(&event))
        here += event.kind != core::EventKind::kControl && event.source == sync->sync->source;
      if (here > 0 && (sync->oldest == 0 || row.captured_at < sync->oldest))
        sync->oldest = row.captured_at;
      count += here;
    }
    return count;
  }

  // What lies between window and tail is like them.
  void Count(const TableLook& table) {
    for (QueuedChanges& sync : look_.syncs) {
      sync.count += CountIn(table.head.rows, &sync);
      if (table.IsWhole()) continue;
      const uint64 found = CountIn(table.window.rows, &sync) + CountIn(table.tail.rows, &sync);
      const uint64 looked = table.window.last - table.window.first + kTail;
      sync.count += found * (table.blocks - table.window.first) / looked;
    }
  }

  QueueLook look_;
  TableLook tables_[2];
  int32 instance_ = 0;
};

}  // namespace

QueueLook LookAtQueue(int32 queue, const std::vector<const SyncRow*>& syncs) {
  return Looker(syncs).Run(queue);
}

}  // namespace polyglot::pg
