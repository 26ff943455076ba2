#include "core/delivery/backfill_pace.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

constexpr Time kSecond{1'000'000};
constexpr std::uint64_t kPage = 1000;

// Reads pages as fast as allowed; returns the rows of `seconds`.
std::uint64_t ReadFor(RowRate* rate, Time begin, std::int64_t seconds, Time step) {
  std::uint64_t rows = 0;
  for (Time now = begin; now < begin + seconds * kSecond; now += step) {
    const std::uint64_t allowed = rate->Allowance(kPage, now);
    rate->Spend(allowed, now);
    rows += allowed;
  }
  return rows;
}

TEST(RowRate, WithoutALimitAPageIsAlwaysAllowed) {
  RowRate rate;
  EXPECT_FALSE(rate.limited());
  rate.Spend(1'000'000, kSecond);
  EXPECT_EQ(rate.Allowance(kPage, kSecond), kPage);
  EXPECT_EQ(rate.Next(kPage, kSecond), kSecond);
}

TEST(RowRate, GivesWhatIsAllowedAndNoMore) {
  for (std::uint64_t per_second : {1, 7, 999, 1000, 1001, 12'345, 1'000'000}) {
    RowRate rate;
    rate.Set(per_second, kSecond);
    const std::uint64_t rows = ReadFor(&rate, kSecond, 100, Time{500});
    EXPECT_LE(rows, 100 * per_second);
    EXPECT_GE(rows, 98 * per_second) << per_second;
  }
}

TEST(RowRate, ABreakIsNotMadeUpForBeyondASecond) {
  RowRate rate;
  rate.Set(500, kSecond);
  const std::uint64_t rows = ReadFor(&rate, 3600 * kSecond, 1, Time{500});
  EXPECT_LE(rows, 1000u);
}

TEST(RowRate, SlowOnesReadOnceASecond) {
  RowRate rate;
  rate.Set(10, kSecond);
  EXPECT_EQ(rate.Allowance(kPage, kSecond), 0u);
  EXPECT_EQ(rate.Next(kPage, kSecond), 2 * kSecond);
  EXPECT_EQ(rate.Allowance(kPage, 2 * kSecond), 10u);
  rate.Spend(10, 2 * kSecond);
  EXPECT_EQ(rate.Allowance(kPage, 2 * kSecond + kSecond / 2), 0u);
  EXPECT_EQ(rate.Next(kPage, 2 * kSecond + kSecond / 2), 3 * kSecond);
}

TEST(RowRate, AtTheTimeItNamesRowsAreAllowed) {
  for (std::uint64_t per_second : {1, 3, 7, 333, 1001, 7777}) {
    RowRate rate;
    rate.Set(per_second, Time{17});
    Time now{17};
    for (int i = 0; i < 50; ++i) {
      now = rate.Next(kPage, now);
      const std::uint64_t allowed = rate.Allowance(kPage, now);
      ASSERT_GT(allowed, 0u) << per_second;
      rate.Spend(allowed, now);
    }
  }
}

TEST(RowRate, CanBeChangedAtAnyTime) {
  RowRate rate;
  rate.Set(1, kSecond);
  rate.Spend(1, 2 * kSecond);
  rate.Set(1, 5 * kSecond);  // the same: what is saved stays
  EXPECT_EQ(rate.Allowance(kPage, 5 * kSecond), 1u);
  rate.Set(100'000, 5 * kSecond);
  EXPECT_EQ(rate.Next(kPage, 5 * kSecond), 5 * kSecond + Time{10'000});
  rate.Set(0, 6 * kSecond);
  EXPECT_EQ(rate.Allowance(kPage, 6 * kSecond), kPage);
}

TEST(RowRate, AClockThatStandsOrGoesBackGivesNothing) {
  RowRate rate;
  rate.Set(1000, 10 * kSecond);
  rate.Spend(rate.Allowance(kPage, 11 * kSecond), 11 * kSecond);
  EXPECT_EQ(rate.Allowance(kPage, 11 * kSecond), 0u);
  EXPECT_EQ(rate.Allowance(kPage, 5 * kSecond), 0u);
}

TEST(BackfillWindow, IsAboutTwoSecondsOfWhatTheServerTakes) {
  EXPECT_EQ(BackfillWindow(0), 4000u);
  EXPECT_EQ(BackfillWindow(1), 2000u);  // two pages at least
  EXPECT_EQ(BackfillWindow(1'500'000), 3000u);
  EXPECT_EQ(BackfillWindow(100'000'000), 12'000u);
}

}  // namespace
}  // namespace polyglot::core
