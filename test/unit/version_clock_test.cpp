#include "core/ownership/version_clock.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

TEST(VersionClock, TellsTheFirstTimeAtWhichThePositionWasThere) {
  VersionClock clock;
  EXPECT_FALSE(clock.MadeAt(5).has_value());
  clock.Note(10 * kSecond, 100);
  clock.Note(11 * kSecond, 200);
  clock.Note(12 * kSecond, 200);  // nothing was written
  clock.Note(13 * kSecond, 300);
  EXPECT_EQ(clock.MadeAt(150)->time, 11 * kSecond);
  EXPECT_TRUE(clock.MadeAt(150)->exact);
  EXPECT_EQ(clock.MadeAt(200)->time, 11 * kSecond);
  EXPECT_EQ(clock.MadeAt(201)->time, 13 * kSecond);
  EXPECT_FALSE(clock.MadeAt(301).has_value());
}

TEST(VersionClock, OfWhatIsOlderThanItselfItKnowsThatMuchOnly) {
  VersionClock clock;
  clock.Note(10 * kSecond, 100);
  EXPECT_EQ(clock.MadeAt(7)->time, 10 * kSecond);
  EXPECT_FALSE(clock.MadeAt(7)->exact);
}

TEST(VersionClock, IgnoresWhatGoesBackOrComesTooSoon) {
  VersionClock clock;
  clock.Note(10 * kSecond, 100);
  clock.Note(10 * kSecond + 1, 200);
  clock.Note(9 * kSecond, 300);
  clock.Note(20 * kSecond, 50);
  EXPECT_FALSE(clock.MadeAt(101).has_value());
}

TEST(VersionClock, StaysSmallAndIsExactForWhatIsYoung) {
  VersionClock clock;
  constexpr std::int64_t kWeek = 7 * 24 * 3600;
  for (std::int64_t second = 1; second <= kWeek; ++second)
    clock.Note(second * kSecond, static_cast<std::uint64_t>(second));
  for (std::int64_t age = 0; age < kWeek; age += 1 + age / 10) {
    const std::int64_t second = kWeek - age;
    const auto made = clock.MadeAt(static_cast<std::uint64_t>(second));
    ASSERT_TRUE(made.has_value());
    EXPECT_GE(made->time, second * kSecond);  // never early
    EXPECT_LE(made->time - second * kSecond, age * kSecond / 4 + kSecond) << age;
  }
}

}  // namespace
}  // namespace polyglot::core
