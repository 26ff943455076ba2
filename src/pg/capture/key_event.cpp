// Key events that do not come from a trigger: keys as core/queue_record.h packs them.

#include "pg/capture/transaction_buffer.h"

namespace polyglot::pg {
namespace {

struct PackedKey {
  const char* headers;
  const char* values;
  const char* end;
  int columns;
};

void DamagedKey() {
  ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("key record is damaged")));
}

PackedKey OpenKey(std::string_view packed) {
  uint16 columns = 0;
  if (packed.size() < sizeof columns) DamagedKey();
  memcpy(&columns, packed.data(), sizeof columns);
  const size_t headers = columns * core::kColumnHeader;
  if (packed.size() - sizeof columns < headers) DamagedKey();
  const char* first = packed.data() + sizeof columns;
  return {first, first + headers, packed.data() + packed.size(), columns};
}

// How many bytes the value takes, its length included.
int SizeOfValue(const PackedKey& key, const char* value) {
  uint16 length;
  if (key.end - value < static_cast<ptrdiff_t>(sizeof length)) DamagedKey();
  memcpy(&length, value, sizeof length);
  const int size = static_cast<int>(sizeof length) + (length == core::kNullLength ? 0 : length);
  if (key.end - value < size) DamagedKey();
  return size;
}

void AppendColumn(StringInfo values, const PackedKey& key, AttrNumber wanted) {
  const char* value = key.values;
  for (int c = 0; c < key.columns; c++) {
    int16 att;
    memcpy(&att, key.headers + static_cast<size_t>(c) * core::kColumnHeader, sizeof att);
    const int size = SizeOfValue(key, value);
    if (att == wanted) {
      appendBinaryStringInfo(values, value, size);
      return;
    }
    value += size;
  }
  const uint16 null = core::kNullLength;
  appendBinaryStringInfo(values, reinterpret_cast<const char*>(&null), sizeof null);
}

}  // namespace

void RecordKeyEvent(Oid source, core::EventKind kind, std::string_view packed_key) {
  CapturePlan* plan = LookupCapturePlan(source, source);
  if (plan->queue_count == 0) return;
  const PackedKey key = OpenKey(packed_key);
  StringInfoData values;
  initStringInfo(&values);
  // The plan's columns in their order; those that the key does not have are NULL (a routing value
  // that the caller does not know).
  for (int i = 0; i < plan->column_count; i++)
    AppendColumn(&values, key, plan->columns[i].source_att);
  AppendRecord(plan, kind, values.data, values.len);
  pfree(values.data);
}

}  // namespace polyglot::pg
