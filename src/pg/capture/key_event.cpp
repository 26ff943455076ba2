// Key events that do not come from a trigger: keys as core/queue/queue_record.h packs them.

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

bool IsColumn(const PackedKey& key, int number, const CaptureColumn& wanted) {
  const char* header = key.headers + static_cast<size_t>(number) * core::kColumnHeader;
  int16 att;
  uint32 type;
  memcpy(&att, header, sizeof att);
  memcpy(&type, header + sizeof att, sizeof type);
  return att == wanted.source_att && type == wanted.stamp;
}

// As core::FindValue, without an object that an error would leave behind. false: there is none that
// was recorded as this type.
bool AppendColumn(StringInfo values, const PackedKey& key, const CaptureColumn& wanted) {
  const char* value = key.values;
  for (int c = 0; c < key.columns; c++) {
    const int size = SizeOfValue(key, value);
    if (IsColumn(key, c, wanted)) {
      appendBinaryStringInfo(values, value, size);
      return true;
    }
    value += size;
  }
  return false;
}

void AppendNull(StringInfo values) {
  const uint16 null = core::kNullLength;
  appendBinaryStringInfo(values, reinterpret_cast<const char*>(&null), sizeof null);
}

// How many of the plan's columns were found. Those that the key does not have are NULL: of the key
// of another sync, or a routing value that the caller does not know.
int AppendColumns(StringInfo values, const CapturePlan& plan, const PackedKey& key) {
  int found = 0;
  for (int i = 0; i < plan.column_count; i++) {
    if (AppendColumn(values, key, plan.columns[i]))
      found++;
    else
      AppendNull(values);
  }
  return found;
}

}  // namespace

bool RecordKeyEvent(Oid source, core::EventKind kind, std::string_view packed_key) {
  CapturePlan* plan = LookupCapturePlan(source, source);
  if (plan->queue_count == 0) return true;
  if (plan->unfit) {
    AppendRecord(plan, kind, nullptr, 0);
    return true;
  }
  const PackedKey key = OpenKey(packed_key);
  StringInfoData values;
  initStringInfo(&values);
  const bool fits = AppendColumns(&values, *plan, key) == key.columns;
  if (fits && !RecordFits(plan, values.len))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("key value is longer than any index could hold")));
  if (fits) AppendRecord(plan, kind, values.data, values.len);
  pfree(values.data);
  return fits;
}

}  // namespace polyglot::pg
