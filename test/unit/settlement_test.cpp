#include "core/queue/settlement.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

TEST(Settlement, NothingOutstandingMeansAllSettled) {
  Settlement s;
  EXPECT_EQ(s.SettledScan(1, 9), 9u);
  EXPECT_EQ(s.LowestScan(), 0u);
  EXPECT_EQ(s.OutstandingEvents(1), 0u);
}

TEST(Settlement, TheLowestOutstandingNumberHoldsBack) {
  Settlement s;
  s.Add(1, {.scan = 3});
  s.Add(1, {.scan = 3});
  s.Add(1, {.scan = 5});
  EXPECT_EQ(s.SettledScan(1, 9), 2u);
  s.Release(1, {.scan = 3});
  EXPECT_EQ(s.SettledScan(1, 9), 2u);
  s.Release(1, {.scan = 3});
  EXPECT_EQ(s.SettledScan(1, 9), 4u);
  s.Release(1, {.scan = 5});
  EXPECT_EQ(s.SettledScan(1, 9), 9u);
}

TEST(Settlement, NewestBoundsTheAnswer) {
  Settlement s;
  s.Add(1, {.scan = 8});
  EXPECT_EQ(s.SettledScan(1, 4), 4u);
}

TEST(Settlement, OriginsAreIndependent) {
  Settlement s;
  s.Add(1, {.scan = 2, .page = 3, .walk = 4, .probe = 5});
  EXPECT_EQ(s.SettledScan(1, 9), 1u);
  EXPECT_EQ(s.SettledPage(1, 9), 2u);
  EXPECT_EQ(s.SettledWalk(1, 9), 3u);
  EXPECT_EQ(s.SettledProbe(1, 9), 4u);
  s.Add(1, {.page = 1});
  EXPECT_EQ(s.OutstandingEvents(1), 1u) << "a page is no event";
}

TEST(Settlement, SyncsAreIndependent) {
  Settlement s;
  s.Add(1, {.scan = 2});
  s.Add(2, {.scan = 7});
  EXPECT_EQ(s.SettledScan(2, 9), 6u);
  EXPECT_EQ(s.LowestScan(), 2u);
  s.Forget(1);
  EXPECT_EQ(s.LowestScan(), 7u);
  EXPECT_EQ(s.SettledScan(1, 9), 9u);
}

TEST(Settlement, MergeKeepsTheLowestOfEachOrigin) {
  const Tickets merged =
      Settlement::Merge({.scan = 5, .page = 0, .walk = 2}, {.scan = 3, .page = 7, .walk = 4});
  EXPECT_EQ(merged.scan, 3u);
  EXPECT_EQ(merged.page, 7u);
  EXPECT_EQ(merged.walk, 2u);
  EXPECT_EQ(merged.probe, 0u);
}

TEST(Settlement, ReplaceMovesTheObligation) {
  Settlement s;
  const Tickets older{.scan = 3, .page = 1};
  Tickets newer{.scan = 6};
  s.Add(1, older);
  s.Add(1, newer);
  EXPECT_EQ(s.OutstandingEvents(1), 2u);
  s.Replace(1, &newer, older);
  EXPECT_EQ(newer.scan, 3u);
  EXPECT_EQ(newer.page, 1u);
  EXPECT_EQ(s.OutstandingEvents(1), 1u);
  EXPECT_EQ(s.SettledScan(1, 9), 2u);
  EXPECT_EQ(s.SettledPage(1, 9), 0u);
  s.Release(1, newer);
  EXPECT_EQ(s.SettledScan(1, 9), 9u);
  EXPECT_EQ(s.SettledPage(1, 9), 9u);
  EXPECT_EQ(s.OutstandingEvents(1), 0u);
}

TEST(Settlement, ReleasingTheUnknownDoesNothing) {
  Settlement s;
  s.Release(1, {.scan = 3});
  s.Add(1, {.scan = 4});
  s.Release(1, {.scan = 3, .page = 9});
  EXPECT_EQ(s.SettledScan(1, 9), 3u);
}

TEST(Settlement, OutstandingScansAreToldOnceAndInOrder) {
  Settlement s;
  EXPECT_TRUE(s.OutstandingScans().empty());
  s.Add(1, {.scan = 7});
  s.Add(1, {.scan = 2});
  s.Add(2, {.scan = 7});
  s.Add(2, {.scan = 4, .page = 9});
  EXPECT_EQ(s.OutstandingScans(), (std::vector<std::uint64_t>{2, 4, 7}));
  EXPECT_TRUE(s.ScanOutstanding(2, 4));
  EXPECT_FALSE(s.ScanOutstanding(1, 4));
  s.Release(2, {.scan = 4, .page = 9});
  EXPECT_FALSE(s.ScanOutstanding(2, 4));
  EXPECT_EQ(s.OutstandingScans(), (std::vector<std::uint64_t>{2, 7}));
}

}  // namespace
}  // namespace polyglot::core
