// Whatever a server answers: no crash, and success only when every operation has exactly one item.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/bulk_response.h"
#include "core/index_body.h"
#include "core/outcome.h"

using namespace polyglot::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // The first byte says what was sent: up to seven operations, deletes where the bit is set.
  std::vector<OperationKind> expected;
  for (int i = 0; i < data[0] % 8; ++i)
    expected.push_back((data[0] >> i) & 8 ? OperationKind::kDelete : OperationKind::kIndex);
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto parsed = ParseBulkResponse(body, expected);
  if (parsed.ok()) {
    if (parsed.value().size() != expected.size()) std::abort();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const BulkItem& item = parsed.value()[i];
      if (item.kind != expected[i] || item.status < 100 || item.status > 599) std::abort();
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
