#include "core/crash_series.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

constexpr Time kMinute{60'000'000};

TEST(CrashSeries, CountsCrashesThatFollowEachOther) {
  CrashSeries series;
  EXPECT_EQ(series.Count(kMinute), 0);
  for (int i = 1; i <= 8; ++i) {
    series.Note(i * 10 * kMinute);
    EXPECT_EQ(series.Count((i * 10 + 9) * kMinute), i);
  }
}

TEST(CrashSeries, ACrashOfLongAgoMakesNobodyCareful) {
  CrashSeries series;
  series.Note(kMinute);
  EXPECT_EQ(series.Count(60 * kMinute), 1);
  EXPECT_EQ(series.Count(61 * kMinute), 0);
}

TEST(CrashSeries, ACrashEachDayIsTheFirstOneEachTime) {
  CrashSeries series;
  for (int day = 1; day <= 30; ++day) {
    series.Note(day * 24 * 60 * kMinute);
    EXPECT_EQ(series.Count(day * 24 * 60 * kMinute), 1);
  }
}

// It is a static object of the postmaster, at a time that counts from the machine's start.
TEST(CrashSeries, TheFirstCrashSoonAfterTheMachineStarted) {
  CrashSeries series;
  EXPECT_EQ(series.Count(Time{0}), 0);
  series.Note(Time{1});
  EXPECT_EQ(series.Count(Time{2}), 1);
}

}  // namespace
}  // namespace polyglot::core
