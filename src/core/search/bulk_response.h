#pragma once
// The reply to a bulk request. Items are matched by position; whatever does not add up (not JSON,
// cut, too deep, wrong count, wrong operation name, flags that contradict the items) is an error
// value and never success.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/delivery/dialect.h"
#include "core/operation.h"
#include "core/result.h"

namespace polyglot::core {

struct BulkLimits {
  std::size_t bytes = 64u << 20;
  std::size_t depth = 64;
  std::size_t reason_bytes = 2000;  // longer reasons are cut
};

struct BulkItem {
  OperationKind kind = OperationKind::kIndex;
  int status = 0;
  bool has_error = false;
  bool failure_store = false;  // a data stream put the document aside: stored, but not found
  bool dropped = false;        // by an ingest pipeline
  bool moved = false;          // by an ingest pipeline: it is in another index
  std::string error_type;      // "" when the error is a bare string
  std::string error_reason;    // with the reason of its cause behind it, where that says more
};

/// Takes the items of an answer one by one, in order, as they are read.
class BulkItemSink {
 public:
  virtual ~BulkItemSink() = default;
  virtual void Take(BulkItem&& item) = 0;
};

/// Reads the body of an answer with status 200. `sent` holds each operation, in order. Fields that
/// filter_path would have removed are skipped. An error: what the sink was given is worth nothing.
std::optional<Error> ReadBulkResponse(std::string_view body, std::span<const SentItem> sent,
                                      BulkItemSink* sink, const BulkLimits& limits = {});

struct ServerError {
  std::string type;
  std::string reason;
};

/// The error of a request that was refused as a whole; empty fields when the body says nothing
/// usable (413 has no body, proxies answer HTML).
ServerError ParseServerError(std::string_view body, const BulkLimits& limits = {});

}  // namespace polyglot::core
