// Damaged queue rows and keys: never a read outside the input, and what can be parsed as a key is
// written back as the same bytes.
#include <cstdlib>

#include "core/queue/queue_record.h"

using namespace polyglot::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  RecordReader reader(data);
  KeyEvent event;
  std::vector<std::string_view> values;
  std::size_t sum = 0;
  while (reader.Next(&event)) {
    if (!SplitValues(event.values, event.columns->size(), &values)) continue;
    for (std::string_view value : values)
      for (char c : value) sum += static_cast<unsigned char>(c);
  }
  std::vector<CapturedColumn> columns;
  if (ParseKey(data, &columns, &values)) {
    std::string again;
    AppendKeyHeader(&again, columns);
    for (std::string_view value : values)
      value.data() ? AppendValue(&again, value) : AppendNull(&again);
    if (again != data) std::abort();
  }
  return sum == static_cast<std::size_t>(-1);
}
