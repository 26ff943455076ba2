#pragma once
// Reads the two tables of a queue page by page and hands out what has become visible. One object
// per worker; it remembers what it has delivered, so every row comes once (again after VACUUM FULL,
// CLUSTER or a restart).

#include <cstdint>
#include <string>
#include <vector>

#include "core/queue/queue_scan.h"
#include "core/queue/snapshot.h"
#include "core/time.h"
#include "pg/prelude.h"

namespace polyglot::pg {

struct QueueRow {
  TimestampTz captured_at;
  std::uint64_t xid;
  std::int32_t instance;
  std::int32_t count;
  std::uint32_t table;  // 0 or 1
  std::uint32_t block;
  std::uint16_t line_pointer;
  std::size_t offset, length;  // in QueueRows::bytes
};

struct QueueRows {
  std::string bytes;
  std::vector<QueueRow> rows;
  std::string_view Data(const QueueRow& row) const {
    return {bytes.data() + row.offset, row.length};
  }
  void Clear();
};

/// For a look that remembers nothing. Waits for no lock: false when somebody has the table, or it
/// is gone. May ereport; throws only bad_alloc.
bool CountQueueBlocks(Oid table, BlockNumber* blocks);
/// Appends what the active snapshot sees in blocks [first, last); those that are not there any more
/// are left out.
bool ReadQueueBlocks(Oid table, BlockNumber first, BlockNumber last, QueueRows* out);

class QueueReader {
 public:
  QueueReader(const Oid tables[2]);

  /// Are both tables there? Locks them (ACCESS SHARE) for the rest of the transaction.
  bool Exists() const;

  /// One step of a pass: reads until about `budget` records have been handed out. Appends to *out.
  /// Needs a transaction with an active snapshot. Returns true when the pass is complete. The first
  /// step after a complete pass begins a new one; `full` (taken then) looks at every open block.
  bool Step(bool full, std::int64_t budget, core::Time now, QueueRows* out);
  /// The snapshot that the running (or last) pass began with: all it sees was read when it
  /// completes.
  const core::Snapshot& pass_snapshot() const { return pass_snapshot_; }
  bool pass_was_full() const { return pass_full_; }
  bool in_pass() const { return in_pass_; }

  /// Blocks of a table when a pass last looked.
  BlockNumber Blocks(int table) const { return tables_[table].blocks; }
  /// Blocks that no pass has looked at yet, of both tables.
  std::uint64_t UnreadBlocks() const;
  std::size_t open_blocks(int table) const { return tables_[table].scan.open_blocks(); }
  Oid oid(int table) const { return tables_[table].oid; }

  enum class Rotation { kLocked, kFoundRows, kMismatch, kReady };
  /// Under a NOWAIT lock on the table: reads it once more with a new snapshot. kReady: everything
  /// in it was delivered and the caller may call Truncate in this transaction. kFoundRows: *out has
  /// rows that came late. kMismatch: the count differs; everything is delivered again by the next
  /// pass.
  Rotation PrepareRotation(int table, core::Time now, QueueRows* out);
  /// Takes the lock of a rotation without waiting; false: somebody else has one.
  bool TryLock(int table) const;
  /// Looks at the sizes of the tables without reading them.
  void Measure();
  /// Empties the table (after kReady or TryLock, same transaction).
  void Truncate(int table);
  /// To be called when that transaction has committed.
  void Truncated(int table);
  /// Delivers everything again.
  void Reset();

 private:
  struct Table {
    Oid oid;
    Oid file = InvalidOid;
    core::QueueScan scan;
    BlockNumber blocks = 0;  // at the last look
  };

  bool StepTable(int table, Relation rel, Snapshot snapshot, std::int64_t* budget, core::Time now,
                 QueueRows* out);
  void BeginPass(bool full, core::Time now);
  void ReadBlock(int table, Relation rel, Snapshot snapshot, BlockNumber block, core::Time now,
                 QueueRows* out);
  std::int64_t CountVisible(Relation rel, Snapshot snapshot);

  Table tables_[2];
  bool in_pass_ = false, pass_full_ = false;
  int pass_table_ = 0;
  core::Snapshot pass_snapshot_;
  core::PageView page_;                 // scratch
  std::vector<std::uint16_t> deliver_;  // scratch
};

/// An asynchronous commit is visible before it is durable; after a crash it may be gone. To be
/// called between a snapshot and anything that tells the outside world what it saw.
void FlushEverythingVisible();

/// The active snapshot in full transaction ids.
core::Snapshot CurrentSnapshot();

}  // namespace polyglot::pg
