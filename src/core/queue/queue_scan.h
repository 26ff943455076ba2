#pragma once
// Which blocks of a queue table may still yield rows, and which rows of them were delivered. Logic
// only: src/pg/queue/queue_reader.cpp shows it pages.
//
// A block is open until it is full of committed rows. One that holds a row of a running transaction
// stays open for its outcome; one that holds an aborted row stays open, because VACUUM may give its
// space away and a later row would land there. A row is remembered by (line pointer, raw xmin):
// after VACUUM a line pointer can carry another row.

#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/time.h"

namespace polyglot::core {

enum class RowVisibility : std::uint8_t { kVisible, kPending, kAborted };

struct SeenRow {
  std::uint16_t line_pointer;  // 1-based
  std::uint32_t raw_xmin;
  RowVisibility visibility;
};

struct PageView {
  bool initialized = false;  // a new, zeroed page stays open
  std::uint16_t line_pointers = 0;
  bool room_for_a_row = true;
  std::vector<SeenRow> rows;  // normal line pointers only
};

class QueueScan {
 public:
  /// The table's file changed, or it lost blocks: everything is delivered again.
  void Reset();
  /// Starts a pass over the open blocks (`all`: also those whose back-off has not ended) and the
  /// blocks that were never looked at, up to `block_count`.
  void BeginPass(std::uint32_t block_count, bool all, Time now);
  /// Next block to look at; false: the pass is complete.
  bool NextBlock(std::uint32_t* block);
  /// Shows it the page that NextBlock named. Line pointers of rows to deliver now are appended.
  void ShowPage(std::uint32_t block, const PageView& page, Time now,
                std::vector<std::uint16_t>* deliver);

  /// The table has fewer blocks than were seen: Reset is due.
  bool Shrunk(std::uint32_t block_count) const { return block_count < next_block_; }
  std::uint64_t delivered() const { return delivered_; }
  std::size_t open_blocks() const { return open_.size(); }
  std::uint32_t next_block() const { return next_block_; }
  bool has_pending() const { return !pending_.empty(); }

 private:
  struct OpenBlock {
    bool pending = false;
    std::uint64_t changed = 0;  // change counter when it last yielded a row
    Time wait{1000}, due{0};
    std::vector<std::uint32_t> delivered_xmin;  // by line pointer − 1; 0: not delivered
  };

  // Blocks that changed lately are looked at in every pass; the others 1 ms, 2 ms … 1 s later.
  static constexpr std::size_t kHotBlocks = 128;
  static constexpr Time kLongestWait{1'000'000};

  void Deliver(OpenBlock& block, const PageView& page, std::vector<std::uint16_t>* deliver,
               bool* changed, bool* closed);
  void Index(std::uint32_t number, const OpenBlock& block);
  void Unindex(std::uint32_t number, const OpenBlock& block);

  std::unordered_map<std::uint32_t, OpenBlock> open_;
  std::set<std::pair<std::uint64_t, std::uint32_t>> by_change_;
  std::set<std::pair<Time, std::uint32_t>> by_due_;
  std::set<std::uint32_t> pending_;
  std::uint64_t changes_ = 0;
  std::vector<std::uint32_t> pass_;  // open blocks of the running pass, in file order
  std::size_t at_ = 0;
  std::uint32_t next_block_ = 0;  // blocks from here on were never looked at
  std::uint32_t pass_end_ = 0;
  std::uint64_t delivered_ = 0;
};

}  // namespace polyglot::core
