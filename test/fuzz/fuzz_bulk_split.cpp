// Any operations: sizes are exact, every body is one action line and at most one document line
// each, and halving down to single operations loses and changes nothing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "core/delivery/batch.h"
#include "core/search/search_dialect.h"

using namespace polyglot::core;

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

std::vector<Operation> ReadOperations(const std::uint8_t* data, std::size_t size) {
  std::vector<Operation> operations;
  while (size >= 3 && operations.size() < 200) {
    Operation op;
    op.kind = data[0] & 1 ? OperationKind::kDelete : OperationKind::kIndex;
    op.sync = data[0] >> 4;
    op.version = static_cast<std::uint64_t>(data[0]) << (data[1] % 56);
    const std::size_t id = std::min<std::size_t>(data[1] % 32, size - 3);
    const std::size_t body = std::min<std::size_t>(data[2], size - 3 - id);
    const char* text = reinterpret_cast<const char*>(data + 3);
    op.id.assign(text, id);
    if (data[0] & 2) op.routing = op.id;
    op.index = std::make_shared<const std::string>("index");
    if (op.kind == OperationKind::kIndex) op.body.assign(text + id, body);
    data += 3 + id + body;
    size -= 3 + id + body;
    operations.push_back(std::move(op));
  }
  return operations;
}

std::size_t Lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void Check(Batch batch, bool by_bytes, std::string* joined, std::vector<Operation>* out) {
  Require(!batch.items.empty() && !batch.body->empty() && batch.body->back() == '\n');
  if (batch.items.size() > 1) {
    auto [first, second] = SplitBatch(std::move(batch), by_bytes);
    Check(std::move(first), by_bytes, joined, out);
    return Check(std::move(second), by_bytes, joined, out);
  }
  const bool index = batch.items[0].pending->operation.kind == OperationKind::kIndex;
  Require(Lines(*batch.body) == (index ? 2 : 1));
  *joined += *batch.body;
  RestoreDocument(batch, &batch.items[0]);
  out->push_back(std::move(batch.items[0].pending->operation));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool by_bytes = data[0] & 1;
  const std::vector<Operation> operations = ReadOperations(data + 1, size - 1);
  if (operations.empty()) return 0;
  std::vector<Taken> taken;
  std::size_t bytes = 0;
  for (const Operation& op : operations) {
    Taken t;
    t.pending = std::make_unique<Pending>();
    t.pending->operation = op;
    t.pending->encoded = SearchDialect().EncodedSize(op);
    bytes += t.pending->encoded;
    taken.push_back(std::move(t));
  }
  Batch batch = BuildBatch(std::move(taken), SearchDialect());
  Require(batch.body->size() == bytes);
  const std::string whole = *batch.body;
  std::string joined;
  std::vector<Operation> out;
  Check(std::move(batch), by_bytes, &joined, &out);
  Require(joined == whole && out.size() == operations.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::string document = operations[i].body;
    std::replace_if(
        document.begin(), document.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    Require(out[i].id == operations[i].id && out[i].body == document &&
            out[i].version == operations[i].version);
  }
  return 0;
}
