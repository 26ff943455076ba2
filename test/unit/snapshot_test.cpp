#include "core/queue/snapshot.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

TEST(Snapshot, TheEmptyOneSeesNothing) {
  const Snapshot none;
  EXPECT_FALSE(none.Sees(0));
  EXPECT_FALSE(none.Sees(3));
  EXPECT_FALSE(none.Sees(UINT64_MAX));
}

TEST(Snapshot, Boundaries) {
  const Snapshot snapshot{100, 110, {100, 104, 109}};
  EXPECT_TRUE(snapshot.Sees(3));
  EXPECT_TRUE(snapshot.Sees(99));
  EXPECT_FALSE(snapshot.Sees(100));
  EXPECT_TRUE(snapshot.Sees(101));
  EXPECT_FALSE(snapshot.Sees(104));
  EXPECT_TRUE(snapshot.Sees(108));
  EXPECT_FALSE(snapshot.Sees(109));
  EXPECT_FALSE(snapshot.Sees(110));
  EXPECT_FALSE(snapshot.Sees(111));
}

TEST(Snapshot, NothingRunning) {
  const Snapshot snapshot{100, 100, {}};
  EXPECT_TRUE(snapshot.Sees(99));
  EXPECT_FALSE(snapshot.Sees(100));
}

TEST(Snapshot, TransactionIdsBeyondTheFirstEpoch) {
  const std::uint64_t epoch = std::uint64_t{1} << 32;
  const Snapshot snapshot{epoch + 3, epoch + 10, {epoch + 5}};
  EXPECT_TRUE(snapshot.Sees(4'000'000'000));
  EXPECT_TRUE(snapshot.Sees(epoch + 4));
  EXPECT_FALSE(snapshot.Sees(epoch + 5));
  EXPECT_FALSE(snapshot.Sees(2 * epoch));
}

TEST(Snapshot, Equality) {
  const Snapshot snapshot{100, 110, {104}};
  EXPECT_EQ(snapshot, (Snapshot{100, 110, {104}}));
  EXPECT_FALSE(snapshot == (Snapshot{100, 110, {105}}));
  EXPECT_FALSE(snapshot == (Snapshot{100, 111, {104}}));
}

}  // namespace
}  // namespace polyglot::core
