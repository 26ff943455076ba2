#include "core/ownership/index_owner.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

TEST(GenerationOf, OnlyNamesThatWeWouldGive) {
  EXPECT_EQ(GenerationOf("shop", "shop-000001"), 1);
  EXPECT_EQ(GenerationOf("shop", "shop-1234567"), 1234567);
  for (const char* name : {"", "s", "shop", "shop-", "shop-1", "shop-00001", "shop-00000x",
                           "shop-000000", "shopx-000001", "shop_000001", "shop-99999999999"})
    EXPECT_FALSE(GenerationOf("shop", name)) << name;
}

TEST(OwnerDocument, ComesBackAsItWas) {
  VersionRecord owner;
  owner.system_identifier = 7'000'000'000'000'000'001;
  owner.database = 5;
  owner.sync = 3;
  owner.instance = 2'000'000'000;
  const VersionRecord back = OwnerIn(OwnerDocument(owner));
  EXPECT_EQ(back.system_identifier, owner.system_identifier);
  EXPECT_EQ(back.database, owner.database);
  EXPECT_EQ(back.sync, owner.sync);
  EXPECT_EQ(back.instance, owner.instance);
}

TEST(IsLeaseIndex, AllThatBeginsLikeOurs) {
  EXPECT_TRUE(IsLeaseIndex("polyglot-sync-owners"));
  EXPECT_TRUE(IsLeaseIndex("polyglot-sync-owners-000001"));
  EXPECT_FALSE(IsLeaseIndex("polyglot-sync"));
}

}  // namespace
}  // namespace polyglot::core
