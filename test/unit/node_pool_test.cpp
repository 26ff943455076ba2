#include "core/delivery/node_pool.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

using State = NodePool::State;

TEST(NodePool, RoundRobinOverHealthyNodes) {
  NodePool pool(3, 1);
  std::vector<std::uint32_t> picks;
  for (int i = 0; i < 6; ++i) picks.push_back(*pool.Pick(Time{0}));
  EXPECT_EQ(picks, (std::vector<std::uint32_t>{0, 1, 2, 0, 1, 2}));
}

TEST(NodePool, SkipsTheDeadOne) {
  NodePool pool(2, 1);
  pool.Failed(0, Time{0});
  for (int i = 0; i < 4; ++i) EXPECT_EQ(pool.Pick(Time{1}), 1u);
  EXPECT_EQ(pool.BlockedUntil(Time{1}), kNever);
}

TEST(NodePool, DeadTimeGrowsAndIsCapped) {
  NodePool pool(1, 1);
  Time now{0};
  Time ceiling{1'000'000};
  for (int i = 0; i < 10; ++i) {
    pool.Failed(0, now);
    const Time wait = pool.DeadUntil(0) - now;
    EXPECT_GE(wait, ceiling / 2);
    EXPECT_LE(wait, ceiling);
    now = pool.DeadUntil(0);
    ceiling = std::min(ceiling * 2, Time{30'000'000});
    ASSERT_EQ(pool.Pick(now), 0u);
  }
}

TEST(NodePool, ExactlyOneProbe) {
  NodePool pool(1, 1);
  pool.Failed(0, Time{0});
  EXPECT_EQ(pool.Pick(Time{0}), std::nullopt);
  const Time due = pool.BlockedUntil(Time{0});
  EXPECT_EQ(due, pool.DeadUntil(0));
  EXPECT_EQ(pool.BlockedUntil(due), kNever);
  EXPECT_EQ(pool.Pick(due), 0u);
  EXPECT_EQ(pool.StateOf(0), State::kProbing);
  EXPECT_EQ(pool.Pick(due), std::nullopt);
  EXPECT_GT(pool.BlockedUntil(due), due);
  EXPECT_NE(pool.BlockedUntil(due), kNever);
  pool.Succeeded(0);
  EXPECT_EQ(pool.StateOf(0), State::kHealthy);
  EXPECT_EQ(pool.Pick(due), 0u);
}

TEST(NodePool, FailuresThatHappenTogetherCountOnce) {
  NodePool pool(1, 1);
  pool.Failed(0, Time{0});
  const Time until = pool.DeadUntil(0);
  for (int i = 0; i < 7; ++i) pool.Failed(0, Time{10});
  EXPECT_EQ(pool.DeadUntil(0), until);
}

TEST(NodePool, AllDeadGivesTheEarliestDeadline) {
  NodePool pool(2, 1);
  pool.Failed(0, Time{0});
  pool.Failed(1, Time{5'000'000});
  EXPECT_EQ(pool.BlockedUntil(Time{1}), pool.DeadUntil(0));
  pool.Revive();
  EXPECT_EQ(pool.BlockedUntil(Time{1}), kNever);
}

TEST(NodePool, AbandonedProbeCanBeMadeAgain) {
  NodePool pool(1, 1);
  pool.Failed(0, Time{0});
  const Time due = pool.DeadUntil(0);
  ASSERT_EQ(pool.Pick(due), 0u);
  pool.Abandoned(0, due);
  EXPECT_EQ(pool.Pick(due), 0u);
}

TEST(NodePool, RefusalsDoNotMarkDead) {
  for (int status : {200, 400, 401, 403, 404, 409, 413, 429, 500})
    EXPECT_FALSE(NodePool::MarksDead(true, status)) << status;
  for (int status : {502, 503, 504, 507, 520, 529})
    EXPECT_TRUE(NodePool::MarksDead(true, status)) << status;
  EXPECT_TRUE(NodePool::MarksDead(false, 0));
}

TEST(NodePool, NoNodes) {
  NodePool pool(0, 1);
  EXPECT_EQ(pool.Pick(Time{0}), std::nullopt);
}

TEST(NodePool, AHealthyNodeForARequestThatFailed) {
  NodePool pool(3, 1);
  EXPECT_EQ(pool.Pick(Time{0}), 0u);
  pool.Failed(0, Time{0});
  EXPECT_EQ(pool.PickHealthy(), 1u);
  pool.Failed(1, Time{0});
  EXPECT_TRUE(pool.AnyHealthy());
  EXPECT_EQ(pool.PickHealthy(), 2u);
  pool.Failed(2, Time{0});
  EXPECT_FALSE(pool.AnyHealthy());
  EXPECT_EQ(pool.PickHealthy(), std::nullopt);
  pool.Revive();
  EXPECT_EQ(pool.PickHealthy(), std::nullopt) << "a node that may be dead is probed once, by Pick";
}

}  // namespace
}  // namespace polyglot::core
