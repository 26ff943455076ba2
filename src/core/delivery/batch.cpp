#include "core/delivery/batch.h"

#include <algorithm>

namespace polyglot::core {
namespace {

/// Index of the first item of the second half: 1 … size − 1.
std::size_t Middle(const Batch& batch, bool by_bytes) {
  const std::size_t count = batch.items.size();
  if (!by_bytes) return count / 2;
  const auto past = std::partition_point(
      batch.items.begin(), batch.items.end(),
      [half = batch.body->size() / 2](const BatchItem& item) { return item.start < half; });
  return std::clamp<std::size_t>(static_cast<std::size_t>(past - batch.items.begin()), 1,
                                 count - 1);
}

void CollectSyncs(Batch* batch) {
  for (const BatchItem& item : batch->items) {
    const std::int32_t sync = item.pending->operation.sync;
    if (batch->syncs.empty() || batch->syncs.back() != sync) batch->syncs.push_back(sync);
  }
  std::sort(batch->syncs.begin(), batch->syncs.end());
  batch->syncs.erase(std::unique(batch->syncs.begin(), batch->syncs.end()), batch->syncs.end());
}

Batch Part(Batch* whole, std::size_t first, std::size_t last) {
  Batch part;
  const std::size_t begin = whole->items[first].start;
  const std::size_t end =
      last < whole->items.size() ? whole->items[last].start : whole->body->size();
  part.body = std::make_shared<const std::string>(*whole->body, begin, end - begin);
  part.attempts = whole->attempts;
  part.suspects = whole->suspects;
  part.items.reserve(last - first);
  for (std::size_t i = first; i < last; ++i) {
    BatchItem item = std::move(whole->items[i]);
    item.start -= begin;
    item.document.offset -= begin;
    part.items.push_back(std::move(item));
  }
  CollectSyncs(&part);
  return part;
}

}  // namespace

Batch BuildBatch(std::vector<Taken> taken, const Dialect& dialect) {
  Batch batch;
  std::size_t bytes = 0;
  for (const Taken& t : taken) bytes += t.pending->encoded;
  auto body = std::make_shared<std::string>();
  body->reserve(bytes);
  batch.items.reserve(taken.size());
  for (Taken& t : taken) {
    BatchItem item{
        .lane = t.lane, .pending = std::move(t.pending), .start = body->size(), .document = {}};
    item.document = dialect.Append(item.pending->operation, body.get());
    std::string().swap(item.pending->operation.body);
    batch.items.push_back(std::move(item));
  }
  batch.body = std::move(body);
  CollectSyncs(&batch);
  return batch;
}

std::pair<Batch, Batch> SplitBatch(Batch batch, bool by_bytes) {
  const std::size_t middle = Middle(batch, by_bytes);
  Batch second = Part(&batch, middle, batch.items.size());
  // The second half's items are moved from, but their starts still mark where the first one ends.
  Batch first = Part(&batch, 0, middle);
  return {std::move(first), std::move(second)};
}

void RestoreDocument(const Batch& batch, BatchItem* item) {
  item->pending->operation.body.assign(*batch.body, item->document.offset, item->document.length);
}

}  // namespace polyglot::core
