// Damaged control rows: never a crash, never a read outside the input; a record that is understood
// comes back the same after it was written and read again.
#include <algorithm>
#include <cstdlib>

#include "core/queue/control_record.h"
#include "core/queue/queue_record.h"

using namespace polyglot::core;

namespace {

void AddRow(std::string_view row, ControlAssembler* assembler) {
  RecordReader reader(row);
  KeyEvent event;
  while (reader.Next(&event))
    if (event.kind == EventKind::kControl) assembler->Add(event.values);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  // First byte: how long the rows are that the input is cut into.
  if (size < 1) return 0;
  const std::size_t row_size = bytes[0] == 0 ? size : std::size_t{bytes[0]} * 8;
  std::string_view data(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  ControlAssembler assembler;
  for (; !data.empty(); data.remove_prefix(std::min(row_size, data.size()))) {
    AddRow(data.substr(0, row_size), &assembler);
    assembler.Add(data.substr(0, row_size));
  }
  ControlRecord record, again;
  if (!assembler.Newest(&record)) return 0;
  ControlAssembler second;
  const std::size_t max_row = 100 + row_size;
  for (const std::string& row : EncodeControl(record, max_row)) {
    if (row.size() > max_row) std::abort();
    AddRow(row, &second);
  }
  if (!second.Newest(&again)) std::abort();
  if (again.sequence != record.sequence || again.positions != record.positions) std::abort();
  return 0;
}
