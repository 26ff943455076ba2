#include "core/delivery/batch.h"

#include <gtest/gtest.h>

#include "core/delivery/delivery.h"
#include "core/search/search_dialect.h"

namespace polyglot::core {
namespace {

Batch Build(const std::vector<std::size_t>& sizes) {
  std::vector<Taken> taken;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    auto made = std::make_unique<Pending>();
    Pending& pending = *made;
    pending.operation.id = std::to_string(i);
    pending.operation.sync = static_cast<std::int32_t>(i % 2);
    pending.operation.kind = i % 3 == 2 ? OperationKind::kDelete : OperationKind::kIndex;
    if (i % 3 != 2) pending.operation.body = std::string(sizes[i], static_cast<char>('a' + i % 26));
    pending.encoded = SearchDialect().EncodedSize(pending.operation);
    taken.push_back({.lane = nullptr, .pending = std::move(made)});
  }
  return BuildBatch(std::move(taken), SearchDialect());
}

TEST(BulkBatch, BodyHoldsTheDocumentsAndGivesThemBack) {
  Batch batch = Build({10, 20, 0, 30});
  EXPECT_EQ(batch.syncs, (std::vector<std::int32_t>{0, 1}));
  for (BatchItem& item : batch.items) EXPECT_TRUE(item.pending->operation.body.empty());
  for (BatchItem& item : batch.items) RestoreDocument(batch, &item);
  EXPECT_EQ(batch.items[1].pending->operation.body, std::string(20, 'b'));
  EXPECT_EQ(batch.items[2].pending->operation.body, "");
  EXPECT_EQ(batch.items[3].pending->operation.body, std::string(30, 'd'));
}

TEST(BulkBatch, HalvesAddUpToTheWhole) {
  for (const bool by_bytes : {false, true}) {
    Batch batch = Build({10, 2000, 0, 30, 5});
    const std::string whole = *batch.body;
    auto [first, second] = SplitBatch(std::move(batch), by_bytes);
    EXPECT_EQ(*first.body + *second.body, whole);
    EXPECT_EQ(first.items.size() + second.items.size(), 5u);
    for (BatchItem& item : second.items) RestoreDocument(second, &item);
    EXPECT_EQ(second.items.back().pending->operation.body, std::string(5, 'e'));
    EXPECT_EQ(second.items.back().pending->operation.id, "4");
  }
}

TEST(BulkBatch, NoHalfIsEmpty) {
  for (const auto& sizes : std::vector<std::vector<std::size_t>>{{1, 100'000}, {100'000, 1}}) {
    auto [first, second] = SplitBatch(Build(sizes), true);
    EXPECT_EQ(first.items.size(), 1u);
    EXPECT_EQ(second.items.size(), 1u);
  }
}

}  // namespace
}  // namespace polyglot::core
