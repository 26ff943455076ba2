// Whatever a server answers: no crash, and success only when every operation has exactly one item.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "core/search/bulk_response.h"
#include "core/search/classification.h"
#include "core/search/index_requests.h"
#include "core/search/point_in_time.h"
#include "core/search/server_info.h"

using namespace polyglot::core;

namespace {

struct Items final : BulkItemSink {
  void Take(BulkItem&& item) override { items.push_back(std::move(item)); }
  std::vector<BulkItem> items;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // The first byte says what was sent: up to seven operations, deletes where the bit is set.
  std::vector<SentItem> expected;
  for (int i = 0; i < data[0] % 8; ++i)
    expected.push_back(
        {.kind = (data[0] >> i) & 8 ? OperationKind::kDelete : OperationKind::kIndex});
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  Items read;
  if (!ReadBulkResponse(body, expected, &read)) {
    if (read.items.size() != expected.size()) std::abort();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const BulkItem& item = read.items[i];
      if (item.kind != expected[i].kind || item.status < 100 || item.status > 599) std::abort();
      const ItemVerdict verdict = ClassifyItem(item);
      if (verdict.action == ItemAction::kOk && item.has_error) std::abort();
    }
  }
  ClassifyRequest(400, body);
  ParseIndices(body);
  ParseWalkPage(body);
  ParsePitId(body);
  ParseServerVersion(body, {});
  return 0;
}
