#include "core/queue/queue_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace polyglot::core {
namespace {

using Lines = std::vector<std::uint16_t>;

constexpr RowVisibility kVisible = RowVisibility::kVisible;
constexpr RowVisibility kPending = RowVisibility::kPending;
constexpr RowVisibility kAborted = RowVisibility::kAborted;
constexpr Time kMillisecond{1000};
constexpr Time kSecond{1'000'000};

PageView Page(std::vector<SeenRow> rows, bool full) {
  PageView page;
  page.initialized = true;
  page.line_pointers = static_cast<std::uint16_t>(rows.size());
  page.room_for_a_row = !full;
  page.rows = std::move(rows);
  return page;
}
PageView Open(std::vector<SeenRow> rows) { return Page(std::move(rows), false); }
PageView Full(std::vector<SeenRow> rows) { return Page(std::move(rows), true); }

// A table of pages that a QueueScan is taken over, as the reader does.
class QueueScanTest : public ::testing::Test {
 protected:
  /// One pass; gives the line pointers delivered, by block, and notes the blocks looked at.
  std::map<std::uint32_t, Lines> Pass(bool all = true) {
    std::map<std::uint32_t, Lines> delivered;
    looked_at_.clear();
    scan_.BeginPass(static_cast<std::uint32_t>(table_.size()), all, now_);
    for (std::uint32_t block; scan_.NextBlock(&block);) {
      looked_at_.push_back(block);
      Lines lines;
      scan_.ShowPage(block, table_.at(block), now_, &lines);
      if (!lines.empty()) delivered[block] = lines;
    }
    return delivered;
  }
  Lines PassOver(PageView page) {
    table_ = {std::move(page)};
    return Pass()[0];
  }
  bool LookedAt(std::uint32_t block) const {
    return std::count(looked_at_.begin(), looked_at_.end(), block) > 0;
  }
  /// Blocks that stay open and are too many to be hot all of them; block 0 is the coldest.
  void FillTable(std::size_t blocks) {
    table_.assign(blocks, Open({{1, 10, kVisible}}));
    Pass();
  }

  std::vector<PageView> table_;
  std::vector<std::uint32_t> looked_at_;
  Time now_{0};
  QueueScan scan_;
};

TEST_F(QueueScanTest, EmptyTable) {
  EXPECT_TRUE(Pass().empty());
  EXPECT_TRUE(looked_at_.empty());
  EXPECT_EQ(scan_.next_block(), 0u);
  EXPECT_FALSE(scan_.Shrunk(0));
}

TEST_F(QueueScanTest, EveryRowIsDeliveredOnce) {
  EXPECT_EQ(PassOver(Open({{1, 10, kVisible}, {2, 10, kVisible}})), (Lines{1, 2}));
  EXPECT_EQ(PassOver(Open({{1, 10, kVisible}, {2, 10, kVisible}})), Lines{});
  EXPECT_EQ(PassOver(Open({{1, 10, kVisible}, {2, 10, kVisible}, {3, 11, kVisible}})), Lines{3});
  EXPECT_EQ(scan_.delivered(), 3u);
}

TEST_F(QueueScanTest, RowsOfOneTransactionInManyBlocksAreAllDelivered) {
  table_ = {Full({{1, 10, kVisible}}), Full({{1, 10, kVisible}}), Open({{1, 10, kVisible}})};
  EXPECT_EQ(Pass().size(), 3u);
  EXPECT_EQ(looked_at_, (std::vector<std::uint32_t>{0, 1, 2}));
}

TEST_F(QueueScanTest, FullBlockOfCommittedRowsIsClosed) {
  EXPECT_EQ(PassOver(Full({{1, 10, kVisible}, {2, 11, kVisible}})), (Lines{1, 2}));
  EXPECT_EQ(scan_.open_blocks(), 0u);
  Pass();
  EXPECT_FALSE(LookedAt(0));
}

TEST_F(QueueScanTest, BlockWithRoomStaysOpen) {
  PassOver(Open({{1, 10, kVisible}}));
  EXPECT_EQ(scan_.open_blocks(), 1u);
  Pass();
  EXPECT_TRUE(LookedAt(0));
}

TEST_F(QueueScanTest, RunningTransactionKeepsABlockOpenUntilItCommits) {
  EXPECT_EQ(PassOver(Full({{1, 10, kVisible}, {2, 11, kPending}})), Lines{1});
  EXPECT_TRUE(scan_.has_pending());
  EXPECT_EQ(scan_.open_blocks(), 1u);
  EXPECT_EQ(PassOver(Full({{1, 10, kVisible}, {2, 11, kVisible}})), Lines{2});
  EXPECT_FALSE(scan_.has_pending());
  EXPECT_EQ(scan_.open_blocks(), 0u);
}

TEST_F(QueueScanTest, LateCommitterInAnOlderBlockIsDeliveredAfterLaterOnes) {
  table_ = {Full({{1, 10, kPending}}), Full({{1, 11, kVisible}})};
  EXPECT_EQ(Pass(), (std::map<std::uint32_t, Lines>{{1, {1}}}));
  table_[0].rows[0].visibility = kVisible;
  EXPECT_EQ(Pass(), (std::map<std::uint32_t, Lines>{{0, {1}}}));
  EXPECT_EQ(scan_.open_blocks(), 0u);
}

TEST_F(QueueScanTest, AbortedRowKeepsAFullBlockOpen) {
  EXPECT_EQ(PassOver(Full({{1, 10, kVisible}, {2, 11, kAborted}})), Lines{1});
  EXPECT_EQ(scan_.open_blocks(), 1u);
  EXPECT_FALSE(scan_.has_pending());
}

TEST_F(QueueScanTest, RowInSpaceThatVacuumGaveAwayIsDelivered) {
  PassOver(Full({{1, 10, kVisible}, {2, 11, kAborted}}));
  PageView vacuumed = Open({{1, 10, kVisible}});
  vacuumed.line_pointers = 2;  // the second one is unused now
  EXPECT_EQ(PassOver(vacuumed), Lines{});
  EXPECT_EQ(PassOver(Full({{1, 10, kVisible}, {2, 12, kVisible}})), Lines{2});
  EXPECT_EQ(scan_.open_blocks(), 0u);
}

TEST_F(QueueScanTest, UnusedLinePointerKeepsABlockOpenEvenWithoutRoom) {
  PageView page = Full({{1, 10, kVisible}});
  page.line_pointers = 2;
  PassOver(page);
  EXPECT_EQ(scan_.open_blocks(), 1u);
}

// The row was rolled back after it had been noticed, and another transaction got its line pointer.
TEST_F(QueueScanTest, AnotherRowAtADeliveredLinePointerIsDelivered) {
  EXPECT_EQ(PassOver(Open({{1, 10, kVisible}})), Lines{1});
  EXPECT_EQ(PassOver(Open({{1, 15, kVisible}})), Lines{1});
  EXPECT_EQ(PassOver(Open({{1, 15, kVisible}})), Lines{});
}

TEST_F(QueueScanTest, TruncatedLinePointersAreNoRows) {
  PassOver(Open({{1, 10, kVisible}, {2, 11, kAborted}, {3, 11, kAborted}}));
  EXPECT_EQ(PassOver(Open({{1, 10, kVisible}})), Lines{});
  EXPECT_EQ(PassOver(Open({{1, 10, kVisible}, {2, 12, kVisible}})), Lines{2});
}

TEST_F(QueueScanTest, NewZeroedPageStaysOpen) {
  PageView zeroed;
  zeroed.room_for_a_row = false;
  EXPECT_EQ(PassOver(zeroed), Lines{});
  EXPECT_EQ(scan_.open_blocks(), 1u);
  EXPECT_EQ(PassOver(Full({{1, 10, kVisible}})), Lines{1});
  EXPECT_EQ(scan_.open_blocks(), 0u);
}

TEST_F(QueueScanTest, ResetDeliversEverythingAgain) {
  table_ = {Full({{1, 10, kVisible}}), Open({{1, 11, kVisible}, {2, 12, kPending}})};
  EXPECT_EQ(Pass().size(), 2u);
  scan_.Reset();
  EXPECT_EQ(scan_.delivered(), 0u);
  EXPECT_EQ(scan_.open_blocks(), 0u);
  EXPECT_FALSE(scan_.has_pending());
  EXPECT_EQ(Pass(), (std::map<std::uint32_t, Lines>{{0, {1}}, {1, {1}}}));
}

TEST_F(QueueScanTest, FewerBlocksThanSeenIsNoticed) {
  table_.assign(3, Full({{1, 10, kVisible}}));
  Pass();
  EXPECT_FALSE(scan_.Shrunk(3));
  EXPECT_FALSE(scan_.Shrunk(4));
  EXPECT_TRUE(scan_.Shrunk(2));
  EXPECT_TRUE(scan_.Shrunk(0));
}

TEST_F(QueueScanTest, BlocksAreLookedAtInFileOrderAndOnce) {
  FillTable(300);
  table_.push_back(Open({{1, 11, kVisible}}));
  now_ += kSecond;
  Pass(false);  // many blocks are hot and due: each is named once
  ASSERT_EQ(looked_at_.size(), 301u);
  for (std::uint32_t i = 0; i < looked_at_.size(); ++i) EXPECT_EQ(looked_at_[i], i);
}

TEST_F(QueueScanTest, FewOpenBlocksAreLookedAtInEveryPass) {
  FillTable(128);
  Pass(false);
  EXPECT_EQ(looked_at_.size(), 128u);
}

TEST_F(QueueScanTest, OnlyHotBlocksAreLookedAtInEveryPass) {
  FillTable(300);
  Pass(false);
  EXPECT_EQ(looked_at_.size(), 128u);
  EXPECT_FALSE(LookedAt(0));
  EXPECT_TRUE(LookedAt(299));
  Pass(true);
  EXPECT_EQ(looked_at_.size(), 300u);
}

TEST_F(QueueScanTest, BlockThatYieldsARowBecomesHot) {
  FillTable(300);
  table_[0] = Open({{1, 10, kVisible}, {2, 11, kVisible}});
  EXPECT_TRUE(Pass(false).empty());  // cold: not looked at yet
  now_ += kMillisecond;
  EXPECT_EQ(Pass(false), (std::map<std::uint32_t, Lines>{{0, {2}}}));
  Pass(false);
  EXPECT_TRUE(LookedAt(0));
  EXPECT_FALSE(LookedAt(1));
}

TEST_F(QueueScanTest, PendingBlocksAreLookedAtInEveryPass) {
  FillTable(300);
  table_[0] = Open({{1, 10, kVisible}, {2, 11, kPending}});
  Pass(true);
  Pass(false);
  EXPECT_TRUE(LookedAt(0));
  table_[0] = Open({{1, 10, kVisible}, {2, 11, kVisible}});
  EXPECT_EQ(Pass(false), (std::map<std::uint32_t, Lines>{{0, {2}}}));
}

TEST_F(QueueScanTest, ColdBlocksWaitTwiceAsLongEachTimeUpToASecond) {
  FillTable(300);
  Time wait = kMillisecond;
  for (int i = 0; i < 15; ++i) {
    now_ += wait - Time{1};
    Pass(false);
    EXPECT_FALSE(LookedAt(0)) << i;
    now_ += Time{1};
    Pass(false);
    EXPECT_TRUE(LookedAt(0)) << i;
    wait = std::min(wait * 2, kSecond);
  }
  EXPECT_EQ(wait, kSecond);
}

TEST_F(QueueScanTest, ARowEndsTheBackOff) {
  FillTable(300);
  for (int i = 0; i < 8; ++i) {
    now_ += kSecond;
    Pass(false);
  }
  // Newer changes elsewhere keep block 0 cold; its own wait starts over when it yields a row.
  table_[0] = Open({{1, 10, kVisible}, {2, 11, kVisible}});
  now_ += kSecond;
  EXPECT_EQ(Pass(false).count(0), 1u);
  for (std::uint32_t i = 100; i < 300; ++i)
    table_[i] = Open({{1, 10, kVisible}, {2, 12, kVisible}});
  Pass(true);
  now_ += kMillisecond * 2;
  Pass(false);
  EXPECT_TRUE(LookedAt(0));
  EXPECT_FALSE(LookedAt(1));
}

// Every row that commits is delivered, and exactly once, whatever order the outcomes come in.
TEST_F(QueueScanTest, NothingIsLostUnderRandomOutcomes) {
  std::uint32_t seed = 12345;
  auto random = [&seed](std::uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
  };
  constexpr std::uint16_t kRowsOfAPage = 4;
  std::set<std::uint32_t> committed, delivered;
  std::uint32_t xid = 3;
  for (int round = 0; round < 4000; ++round) {
    const bool insert = round < 3000 && random(3) == 0;
    if (insert) {
      if (table_.empty() || !table_.back().room_for_a_row) table_.push_back(Open({}));
      PageView& page = table_.back();
      page.rows.push_back({static_cast<std::uint16_t>(page.rows.size() + 1), xid++, kPending});
      page.line_pointers = static_cast<std::uint16_t>(page.rows.size());
      page.room_for_a_row = page.rows.size() < kRowsOfAPage;
    } else if (!table_.empty()) {
      PageView& page = table_[random(static_cast<std::uint32_t>(table_.size()))];
      for (SeenRow& row : page.rows) {
        if (row.visibility == kAborted && random(2) == 0) {  // vacuumed, its place taken
          row = {row.line_pointer, xid++, kPending};
        } else if (row.visibility == kPending) {
          row.visibility = random(4) == 0 ? kAborted : kVisible;
          if (row.visibility == kVisible) committed.insert(row.raw_xmin);
        }
      }
    }
    now_ += Time{random(3000)};
    for (const auto& [block, lines] : Pass(round % 50 == 0 || round > 3990))
      for (std::uint16_t line : lines)
        EXPECT_TRUE(delivered.insert(table_[block].rows[line - 1u].raw_xmin).second);
  }
  EXPECT_GT(committed.size(), 500u);
  EXPECT_EQ(delivered, committed);
  EXPECT_EQ(scan_.delivered(), committed.size());
}

}  // namespace
}  // namespace polyglot::core
