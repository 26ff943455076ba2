#include "core/verification/known_ids.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace polyglot::core {
namespace {

TEST(KnownIds, RoutingCounts) {
  EXPECT_NE(KnownIds::Hash("1", {}), KnownIds::Hash("1", "a"));
  EXPECT_NE(KnownIds::Hash("1", "b"), KnownIds::Hash("1", "a"));
  EXPECT_NE(KnownIds::Hash("1", "2"), KnownIds::Hash("2", "1"));
}

TEST(KnownIds, KnowsAllThatFit) {
  KnownIds known(1000);
  for (int i = 0; i < 1000; ++i) known.Add(KnownIds::Hash(std::to_string(i), {}));
  known.Seal();
  EXPECT_TRUE(known.complete());
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(known.Contains(KnownIds::Hash(std::to_string(i), {})));
  for (int i = 1000; i < 2000; ++i)
    EXPECT_FALSE(known.Contains(KnownIds::Hash(std::to_string(i), {})));
}

// Rounds that begin where the last one ended cover each hash exactly once.
TEST(KnownIds, RoundsCoverEverythingOnce) {
  KnownIds known(100);
  std::set<int> seen;
  int rounds = 0;
  known.Begin(0);
  for (bool more = true; more; ++rounds) {
    for (int i = 0; i < 5000; ++i) known.Add(KnownIds::Hash(std::to_string(i), {}));
    known.Seal();
    for (int i = 0; i < 5000; ++i) {
      const std::uint64_t hash = KnownIds::Hash(std::to_string(i), {});
      EXPECT_EQ(known.Covers(hash), known.Contains(hash));
      if (known.Covers(hash)) {
        EXPECT_TRUE(seen.insert(i).second) << i;
      }
    }
    more = !known.complete();
    if (more) known.Begin(known.to() + 1);
    ASSERT_LT(rounds, 200);
  }
  EXPECT_EQ(seen.size(), 5000u);
  EXPECT_GT(rounds, 40);
}

}  // namespace
}  // namespace polyglot::core
