#include "core/delivery/lanes.h"

#include <gtest/gtest.h>

#include "core/search/search_dialect.h"

namespace polyglot::core {
namespace {

Operation Make(std::string id, std::uint64_t version, std::int32_t sync = 1) {
  Operation op;
  op.sync = sync;
  op.version = version;
  op.id = std::move(id);
  op.body = "{}";
  return op;
}

class LanesTest : public ::testing::Test {
 protected:
  void Submit(Operation op) { lanes.Submit(std::move(op), now, &replaced); }
  std::vector<Taken> Take(std::size_t count = 100) { return lanes.Take(1u << 20, count, now); }

  // The versions of a single lane, each acknowledged before the next one goes.
  std::vector<std::uint64_t> InTurn() {
    std::vector<std::uint64_t> versions;
    for (auto taken = Take(); !taken.empty(); taken = Take()) {
      versions.push_back(taken[0].pending->operation.version);
      lanes.Finish(taken[0].lane, std::move(taken[0].pending), now);
    }
    return versions;
  }

  Lanes lanes{SearchDialect()};
  std::vector<Finished> replaced;
  Time now{1000};
};

TEST_F(LanesTest, ALaneIsOccupiedUntilItsOperationEnds) {
  Submit(Make("a", 1));
  auto taken = Take();
  ASSERT_EQ(taken.size(), 1u);
  Submit(Make("a", 2));
  EXPECT_TRUE(Take().empty());
  EXPECT_EQ(lanes.Outstanding(1), 2u);
  lanes.Finish(taken[0].lane, std::move(taken[0].pending), now);
  EXPECT_EQ(Take().at(0).pending->operation.version, 2u);
}

// What one read of a row that has moved makes, as versions `version - 1` and `version`.
Operation MakeFormer(std::string id, std::uint64_t version, const char* routing) {
  Operation op = Make(std::move(id), version - 1);
  op.kind = OperationKind::kDelete;
  op.routing = routing;
  op.former = true;
  return op;
}

Operation MakeAt(std::string id, std::uint64_t version, const char* routing) {
  Operation op = Make(std::move(id), version);
  op.routing = routing;
  return op;
}

TEST_F(LanesTest, TheDeleteOfAFormerRoutingGoesAfterTheDocument) {
  Submit(MakeFormer("a", 10, "here"));
  Submit(MakeAt("a", 10, "there"));
  EXPECT_EQ(InTurn(), (std::vector<std::uint64_t>{10, 9}));
}

TEST_F(LanesTest, ItGoesBeforeWhatIsNewer) {
  Submit(MakeAt("a", 10, "there"));
  Submit(MakeFormer("a", 10, "here"));
  Submit(MakeAt("a", 12, "elsewhere"));
  Submit(MakeFormer("a", 12, "there"));  // takes the place of what has not gone there yet
  EXPECT_EQ(InTurn(), (std::vector<std::uint64_t>{9, 12, 11}));
}

TEST_F(LanesTest, ItWaitsForWhatTakesTheDocumentsPlace) {
  Submit(MakeAt("a", 10, "there"));
  Submit(MakeFormer("a", 10, "here"));
  Submit(MakeAt("a", 12, "there"));
  Submit(MakeAt("a", 14, "there"));
  EXPECT_EQ(InTurn(), (std::vector<std::uint64_t>{14, 9}));
}

TEST_F(LanesTest, ItStaysBehindADocumentThatIsTriedAgain) {
  Submit(MakeAt("a", 10, "there"));
  Submit(MakeFormer("a", 10, "here"));
  auto taken = Take();
  Submit(MakeAt("a", 12, "here"));  // back again: nothing is deleted there
  lanes.Return(taken[0].lane, std::move(taken[0].pending), Time{0}, now, &replaced);
  EXPECT_EQ(InTurn(), (std::vector<std::uint64_t>{10, 12}));
}

TEST_F(LanesTest, WithdrawFindsWhatIsOlderWhereverItStands) {
  Submit(MakeAt("a", 10, "there"));
  Submit(MakeFormer("a", 10, "here"));
  Submit(MakeAt("a", 20, "there"));
  EXPECT_EQ(lanes.Withdraw(1, 15).at(0).version, 9u);
  EXPECT_EQ(lanes.Outstanding(1), 1u);
  EXPECT_EQ(InTurn(), (std::vector<std::uint64_t>{20}));
}

TEST_F(LanesTest, DelayedLanesComeBackInTime) {
  Submit(Make("a", 1));
  Submit(Make("b", 2));
  auto taken = Take();
  for (Taken& t : taken)
    lanes.Return(t.lane, std::move(t.pending), now + Time{500}, now, &replaced);
  EXPECT_EQ(lanes.NextDue(), now + Time{500});
  lanes.Promote(now + Time{499});
  EXPECT_TRUE(Take().empty());
  lanes.Promote(now + Time{500});
  EXPECT_EQ(lanes.NextDue(), kNever);
  EXPECT_EQ(Take().size(), 2u);
}

TEST_F(LanesTest, SurveyCountsWhatCouldGo) {
  Submit(Make("a", 1, 1));
  Submit(Make("b", 2, 2));
  EXPECT_EQ(lanes.Survey().operations, 2u);
  EXPECT_EQ(lanes.Survey().oldest, now);
  lanes.Hold(1, true);
  EXPECT_EQ(lanes.Survey().operations, 1u);
  lanes.Block(2, Time{100}, now);
  EXPECT_EQ(lanes.Survey().operations, 0u);
  EXPECT_EQ(lanes.SurveyApart().at(0).from, now + Time{100});
  EXPECT_EQ(lanes.Blocks(2), 1u);
  lanes.Unblock(2);
  EXPECT_EQ(lanes.Blocks(2), 0u);
  EXPECT_EQ(lanes.Survey().operations, 1u);
}

TEST_F(LanesTest, BlockedSyncGivesOneOperationPerDelay) {
  const auto probe = [&] { return lanes.TakeOf(1, 1u << 20, 100, now); };
  for (int i = 0; i < 5; ++i) Submit(Make(std::to_string(i), 1 + i));
  lanes.Block(1, Time{100}, now);
  EXPECT_TRUE(probe().empty());
  now += Time{100};
  EXPECT_EQ(probe().size(), 1u);
  EXPECT_TRUE(probe().empty());
  now += Time{100};
  EXPECT_EQ(probe().size(), 1u);
  lanes.ResetBackoff(now);
  EXPECT_EQ(probe().size(), 1u);
}

TEST_F(LanesTest, AProbeNeverSharesARequest) {
  Submit(Make("a", 1, 1));
  Submit(Make("b", 2, 2));
  lanes.Probe(1, now);
  EXPECT_EQ(Take().at(0).pending->operation.sync, 2);
  EXPECT_TRUE(Take().empty());
  EXPECT_EQ(lanes.TakeOf(1, 1u << 20, 100, now).size(), 1u);
}

TEST_F(LanesTest, WhatIsSetApartSharesNoRequest) {
  lanes.SetApart(1, true);
  Submit(Make("a", 1, 1));
  Submit(Make("b", 2, 2));
  EXPECT_EQ(Take().size(), 1u);
  EXPECT_EQ(lanes.SurveyApart().at(0).sync, 1);
  lanes.SetApart(1, false);
  EXPECT_EQ(Take().size(), 1u);
}

TEST_F(LanesTest, ASyncWithMuchToSendDoesNotHoldUpThoseWithLittle) {
  const auto large = [](int number) {
    Operation op = Make("large" + std::to_string(number), 100 + static_cast<unsigned>(number), 1);
    op.body = "{\"v\":\"" + std::string(40'000, 'x') + "\"}";
    return op;
  };
  for (int i = 0; i < 100; ++i) Submit(large(i));
  Submit(Make("small", 1, 2));
  Submit(Make("small", 2, 3));
  // In one of two requests, and with nothing of the large ones beside them.
  std::vector<Taken> taken = Take();
  if (taken.at(0).pending->operation.sync == 1) taken = Take();
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].pending->operation.id, "small");
  EXPECT_EQ(taken[1].pending->operation.id, "small");
  Submit(Make("another", 3, 2));
  EXPECT_EQ(Take().at(0).pending->operation.sync, 1);  // nor do they starve the large one
  EXPECT_EQ(Take().at(0).pending->operation.sync, 2);
}

TEST_F(LanesTest, WithdrawLeavesNothingBehind) {
  Submit(Make("ready", 1));
  Submit(Make("delayed", 2));
  Submit(Make("alone", 3));
  for (Taken& t : Take()) {
    const std::string id = t.pending->operation.id;
    t.pending->alone = id == "alone";
    lanes.Return(t.lane, std::move(t.pending), id == "delayed" ? now + Time{9} : now, now,
                 &replaced);
  }
  EXPECT_TRUE(lanes.Survey().alone);
  EXPECT_EQ(lanes.Withdraw(1, UINT64_MAX).size(), 3u);
  EXPECT_EQ(lanes.operations(), 0u);
  EXPECT_EQ(lanes.bytes(), 0u);
  EXPECT_EQ(lanes.NextDue(), kNever);
  EXPECT_FALSE(lanes.Survey().alone);
  EXPECT_EQ(lanes.Survey().bytes, 0u);
}

TEST_F(LanesTest, BytesAndOperationsLimitATake) {
  for (int i = 0; i < 10; ++i) Submit(Make(std::to_string(i), 1 + i));
  EXPECT_EQ(Take(3).size(), 3u);
  EXPECT_EQ(lanes.Take(1, 100, now).size(), 1u) << "at least one, however large";
}

TEST_F(LanesTest, SameIdInTwoSyncsIsTwoLanes) {
  Submit(Make("a", 1, 1));
  Submit(Make("a", 2, 2));
  EXPECT_EQ(Take().size(), 2u);
}

}  // namespace
}  // namespace polyglot::core
