#include "core/queue/gathering.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

constexpr Time kSecond{1'000'000};
constexpr Time kLinger{2000};

// Changes come at a steady rate for two seconds; how long the worker waits then after a look.
Time WaitAt(std::int64_t per_second, Time linger = kLinger) {
  Gathering gathering;
  Time now = kSecond, wait{0};
  double owed = 0;
  while (now < 3 * kSecond) {
    const Time next = std::max(gathering.Due(linger), now + Time{100});
    owed += static_cast<double>(per_second) * static_cast<double>((next - now).count()) / 1e6;
    now = next;
    if (owed < 1) continue;
    gathering.Found(static_cast<std::int64_t>(owed), now);
    owed -= static_cast<double>(static_cast<std::int64_t>(owed));
    wait = gathering.Due(linger) - now;
  }
  return wait;
}

TEST(Gathering, NothingKeepsTheFirstChangeWaiting) {
  EXPECT_LE(Gathering().Due(kLinger), kLinger);
  Gathering gathering;
  gathering.Found(1'000'000, kSecond);
  EXPECT_LE(gathering.Due(kLinger), kSecond + 25 * kLinger);  // and long past after a break
}

TEST(Gathering, FewChangesWaitForLingerOnly) {
  for (std::int64_t rate : {1, 10, 50, 90}) EXPECT_EQ(WaitAt(rate), kLinger) << rate;
}

TEST(Gathering, ManyChangesComeByTheHundred) {
  for (std::int64_t rate : {5000, 10'000, 20'000}) {
    const auto together = rate * WaitAt(rate).count() / 1'000'000;
    EXPECT_GE(together, 200) << rate;
    EXPECT_LE(together, 1100) << rate;
  }
}

TEST(Gathering, NoChangeWaitsLong) {
  for (std::int64_t rate : {300, 1000, 3000, 10'000, 100'000, 10'000'000})
    EXPECT_LE(WaitAt(rate), 25 * kLinger) << rate;
}

TEST(Gathering, WithoutLingerNothingWaits) {
  for (std::int64_t rate : {50, 5000, 100'000}) EXPECT_EQ(WaitAt(rate, Time{0}), Time{0}) << rate;
}

TEST(Gathering, ABurstIsForgotten) {
  Gathering gathering;
  gathering.Found(20'000, kSecond);
  gathering.Found(1, 4 * kSecond);
  EXPECT_EQ(gathering.Due(kLinger), 4 * kSecond + kLinger);
}

}  // namespace
}  // namespace polyglot::core
