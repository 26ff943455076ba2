#include "core/delivery/flow_control.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

TEST(FlowControl, StartsAtTwoAndGrowsToTheLimit) {
  FlowControl flow(8, 1000);
  EXPECT_EQ(flow.Concurrency(), 2u);
  for (int i = 0; i < 100; ++i) flow.Clean(true);
  EXPECT_EQ(flow.Concurrency(), 8u);
}

TEST(FlowControl, DoesNotGrowUnused) {
  FlowControl flow(8, 1000);
  for (int i = 0; i < 100; ++i) flow.Clean(false);
  EXPECT_EQ(flow.Concurrency(), 2u);
}

TEST(FlowControl, ShrinksOncePerRound) {
  FlowControl flow(10, 1000);
  for (int i = 0; i < 100; ++i) flow.Clean(true);
  const std::uint64_t round = flow.Round();
  flow.BackPressure(round);
  EXPECT_EQ(flow.Concurrency(), 7u);
  flow.BackPressure(round);
  EXPECT_EQ(flow.Concurrency(), 7u) << "sent before the last decrease";
  flow.BackPressure(flow.Round());
  EXPECT_EQ(flow.Concurrency(), 4u);
  for (int i = 0; i < 20; ++i) flow.BackPressure(flow.Round());
  EXPECT_EQ(flow.Concurrency(), 1u);
}

TEST(FlowControl, BytesHalveAndGrowSlowly) {
  FlowControl flow(8, 1u << 20);
  flow.TooLarge(1u << 20);
  EXPECT_EQ(flow.BatchBytes(), 1u << 19);
  for (int i = 0; i < 19; ++i) flow.Clean(false);
  EXPECT_EQ(flow.BatchBytes(), 1u << 19);
  flow.Clean(false);
  EXPECT_GT(flow.BatchBytes(), 1u << 19);
  EXPECT_LT(flow.BatchBytes(), (1u << 19) * 6 / 5);
  for (int i = 0; i < 1000; ++i) flow.Clean(false);
  EXPECT_EQ(flow.BatchBytes(), 1u << 20);
  for (int i = 0; i < 100; ++i) flow.TooLarge(1u << 20);
  EXPECT_EQ(flow.BatchBytes(), 64u << 10);
}

TEST(FlowControl, SlowIsAMultipleOfTheBestAndOverASecond) {
  FlowControl flow(8, 1000);
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(flow.IsSlow(100'000, Time{10'000}));
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(flow.IsSlow(100'000, Time{900'000})) << "under 1 s";
  FlowControl other(8, 1000);
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(other.IsSlow(100'000, Time{500'000}));
  EXPECT_FALSE(other.IsSlow(100'000, Time{4'000'000})) << "one answer is no trend";
  bool slow = false;
  for (int i = 0; i < 20; ++i) slow = other.IsSlow(100'000, Time{4'000'000});
  EXPECT_TRUE(slow);
  EXPECT_FALSE(other.IsSlow(5'000'000, Time{4'000'000})) << "larger requests may take longer";
  EXPECT_FALSE(other.IsSlow(100'000, Time{0})) << "not known";
}

TEST(FlowControl, WhatIsAlwaysSlowIsNormalInTheEnd) {
  FlowControl flow(8, 1000);
  flow.IsSlow(1000, Time{500'000});
  int slow = 0;
  for (int i = 0; i < 1000; ++i) slow += flow.IsSlow(1000, Time{3'000'000}) ? 1 : 0;
  EXPECT_GT(slow, 0);
  EXPECT_LT(slow, 100);
}

TEST(FlowControl, NewLimitsHoldAtOnce) {
  FlowControl flow(8, 1000);
  for (int i = 0; i < 100; ++i) flow.Clean(true);
  flow.SetLimits(3, 500);
  EXPECT_EQ(flow.Concurrency(), 3u);
  EXPECT_EQ(flow.BatchBytes(), 500u);
  flow.SetLimits(0, 2000);
  EXPECT_EQ(flow.Concurrency(), 1u);
  EXPECT_EQ(flow.BatchBytes(), 2000u);
}

TEST(FlowControl, TimeoutsMakeRequestsSmallerForAWhile) {
  FlowControl flow(8, 5u << 20);
  flow.TimedOut(1u << 20);
  EXPECT_EQ(flow.BatchBytes(), 512u << 10);
  for (int i = 0; i < 10; ++i) flow.TimedOut(flow.BatchBytes());
  EXPECT_EQ(flow.BatchBytes(), 64u << 10);
  for (int i = 0; i < 50; ++i) flow.Clean(false);
  EXPECT_EQ(flow.BatchBytes(), 5u << 20) << "an outage is no limit that is learnt";
  flow.TimedOut(1u << 20);
  flow.TooLarge(512u << 10);
  for (int i = 0; i < 19; ++i) flow.Clean(false);
  EXPECT_EQ(flow.BatchBytes(), 256u << 10) << "this is one";
}

}  // namespace
}  // namespace polyglot::core
