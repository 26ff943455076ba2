#pragma once
// All that Delivery knows of its target: how an operation is written, and what an answer means.
// Lanes, retries, flow control and settlement are the same for every target; each has one Dialect.
// Stateless and pure.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/delivery/reply.h"
#include "core/delivery/verdict.h"
#include "core/operation.h"

namespace polyglot::core {

/// Where an operation's document stands in a body; length 0 for deletes.
struct BodySlice {
  std::size_t offset = 0;
  std::size_t length = 0;
};

/// One operation of a request, as its answer is held against it. The index outlives the call.
struct SentItem {
  OperationKind kind = OperationKind::kIndex;
  const std::string* index = nullptr;  // nullptr: the answer's is not looked at
};

class Dialect {
 public:
  Dialect() = default;
  Dialect(const Dialect&) = delete;
  Dialect& operator=(const Dialect&) = delete;
  virtual ~Dialect() = default;

  /// Bytes that Append adds.
  virtual std::size_t EncodedSize(const Operation& operation) const = 0;
  /// Appends one operation. A body is operations and nothing else: it can be cut between any two.
  virtual BodySlice Append(const Operation& operation, std::string* body) const = 0;

  /// The answer as a whole, or that there is none. kItems: JudgeItems has more to say.
  virtual RequestVerdict JudgeRequest(const Reply& reply) const = 0;
  /// One judgement for each operation, in the order of `sent`. nullopt: the answer cannot be read
  /// after all, `broken` is what to do about it.
  virtual std::optional<std::vector<ItemJudgement>> JudgeItems(const Reply& reply,
                                                               std::span<const SentItem> sent,
                                                               RequestVerdict* broken) const = 0;
  /// A refusal that no document can be blamed for, not even one that was sent alone.
  virtual bool BlamesTheRequest(std::string_view type, std::string_view reason) const = 0;

  /// The target's words, made fit for logs, status and counters: no row's values in them.
  virtual std::string Shown(std::string_view type, std::string_view reason) const = 0;
  /// The same of an answer, or of none, as a whole.
  virtual std::string Describe(const Reply& reply, const RequestVerdict& verdict) const = 0;
};

}  // namespace polyglot::core
