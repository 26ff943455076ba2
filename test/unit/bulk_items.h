#pragma once
// The items of an answer, all at once.

#include <string_view>
#include <utility>
#include <vector>

#include "core/search/bulk_response.h"

namespace polyglot::core {

inline Result<std::vector<BulkItem>> ParseBulkResponse(std::string_view body,
                                                       const std::vector<OperationKind>& kinds,
                                                       const BulkLimits& limits = {}) {
  struct Sink final : BulkItemSink {
    void Take(BulkItem&& item) override { items.push_back(std::move(item)); }
    std::vector<BulkItem> items;
  } sink;
  std::vector<SentItem> sent;
  for (const OperationKind kind : kinds) sent.push_back({.kind = kind});
  const auto error = ReadBulkResponse(body, sent, &sink, limits);
  if (error) return *error;
  return std::move(sink.items);
}

}  // namespace polyglot::core
