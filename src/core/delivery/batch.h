#pragma once
// One bulk request with the operations it carries. While it exists, the documents live in its body
// only; an operation that goes back to waiting gets its document from there.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/delivery/dialect.h"
#include "core/delivery/lanes.h"

namespace polyglot::core {

struct BatchItem {
  Lane* lane = nullptr;
  PendingPtr pending;
  std::size_t start = 0;  // of the action line
  BodySlice document;
  bool gone = false;  // its sync was forgotten: it is not sent again
};

/// What is left of an operation that has gone back to waiting while its request is under way.
struct Trace {
  std::int32_t sync = 0;
  std::uint64_t version = 0;
  std::shared_ptr<const std::string> index;
};

struct Batch {
  std::vector<BatchItem> items;
  std::vector<std::int32_t> syncs;  // distinct
  std::shared_ptr<const std::string> body;
  std::uint32_t attempts = 0;    // answers that said nothing about the operations
  std::uint32_t suspects = 0;    // of those, the ones that make us suspect an operation
  std::uint32_t rejections = 0;  // 429 in this size
  std::uint64_t round = 0;       // see FlowControl::Round
  bool at_limit = false;         // as many requests as allowed were in flight
  Time started{0};
  bool apart = false;         // of one sync that shares with nobody
  bool late = false;          // see kLateAfter
  bool slow = false;          // see kSlowAfter
  bool abandoned = false;     // its operations wait again; its answer says nothing about them
  std::vector<Trace> traces;  // of these
};

/// `taken` is not empty.
Batch BuildBatch(std::vector<Taken> taken, const Dialect& dialect);

/// Cuts a batch of two or more operations in two that are not empty: in the middle of the
/// operations, or of the bytes. Nothing is encoded again: the bodies are the parts of the old one.
std::pair<Batch, Batch> SplitBatch(Batch batch, bool by_bytes);

/// Gives the operation its document back.
void RestoreDocument(const Batch& batch, BatchItem* item);

}  // namespace polyglot::core
