#include "core/backoff.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

constexpr BackoffPolicy kPolicy{.base = Time{100}, .cap = Time{1000}};

TEST(Backoff, CeilingDoublesUpToTheCap) {
  EXPECT_EQ(Ceiling(kPolicy, 0), Time{100});
  EXPECT_EQ(Ceiling(kPolicy, 1), Time{200});
  EXPECT_EQ(Ceiling(kPolicy, 3), Time{800});
  EXPECT_EQ(Ceiling(kPolicy, 4), Time{1000});
  EXPECT_EQ(Ceiling(kPolicy, 4'000'000'000u), Time{1000});
}

TEST(Backoff, JitterStaysInItsBounds) {
  Random random(7);
  for (int i = 0; i < 1000; ++i) {
    const Time full = FullJitter(kPolicy, 2, &random);
    EXPECT_GE(full, Time{40});
    EXPECT_LE(full, Time{400});
    const Time half = HalfJitter(kPolicy, 2, &random);
    EXPECT_GE(half, Time{200});
    EXPECT_LE(half, Time{400});
  }
}

TEST(Backoff, SameSeedSameDelays) {
  Random a(3), b(3), c(4);
  EXPECT_EQ(FullJitter(kPolicy, 3, &a), FullJitter(kPolicy, 3, &b));
  EXPECT_NE(a.Next(), c.Next());
}

}  // namespace
}  // namespace polyglot::core
