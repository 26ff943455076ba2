#include "core/queue/queue_record.h"

#include <algorithm>
#include <cstring>

namespace polyglot::core {

namespace {

// Takes sizeof(T) bytes off the front. false: there are fewer.
template <typename T>
bool Take(std::string_view* rest, T* value) {
  if (rest->size() < sizeof(T)) return false;
  std::memcpy(value, rest->data(), sizeof(T));
  rest->remove_prefix(sizeof(T));
  return true;
}

bool TakeColumns(std::string_view* rest, std::uint16_t count,
                 std::vector<CapturedColumn>* columns) {
  columns->clear();
  if (rest->size() / kColumnHeader < count) return false;
  columns->reserve(count);
  for (std::uint16_t i = 0; i < count; ++i) {
    CapturedColumn column{};
    if (!Take(rest, &column.attnum) || !Take(rest, &column.type)) return false;
    columns->push_back(column);
  }
  return true;
}

template <typename T>
void Put(std::string* out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}

}  // namespace

bool RecordReader::Next(KeyEvent* event) {
  if (!ok_) return false;
  while (left_ == 0) {
    if (rest_.empty()) return false;
    std::uint16_t columns = 0;
    ok_ = Take(&rest_, &source_) && Take(&rest_, &columns) && Take(&rest_, &left_) &&
          TakeColumns(&rest_, columns, &columns_);
    if (!ok_) return false;
  }
  std::uint8_t kind = 0;
  std::uint16_t length = 0;
  ok_ = Take(&rest_, &kind) && Take(&rest_, &length) && rest_.size() >= length;
  if (!ok_) return false;
  event->source = source_;
  event->kind = static_cast<EventKind>(kind);
  event->columns = &columns_;
  event->values = rest_.substr(0, length);
  rest_.remove_prefix(length);
  --left_;
  return true;
}

bool SplitValues(std::string_view values, std::size_t columns, std::vector<std::string_view>* out) {
  out->clear();
  for (std::size_t i = 0; i < columns; ++i) {
    std::uint16_t length = 0;
    if (!Take(&values, &length)) return false;
    if (length == kNullLength) {
      out->push_back(std::string_view());
      continue;
    }
    if (values.size() < length) return false;
    out->push_back(values.substr(0, length));
    values.remove_prefix(length);
  }
  return values.empty();
}

const std::string_view* FindValue(const std::vector<CapturedColumn>& columns,
                                  const std::vector<std::string_view>& values,
                                  const CapturedColumn& wanted) {
  const auto it = std::find(columns.begin(), columns.end(), wanted);
  if (it == columns.end()) return nullptr;
  const std::string_view* value = &values[static_cast<std::size_t>(it - columns.begin())];
  return value->data() == nullptr ? nullptr : value;
}

void AppendKeyHeader(std::string* out, const std::vector<CapturedColumn>& columns) {
  Put(out, static_cast<std::uint16_t>(columns.size()));
  for (const CapturedColumn& column : columns) {
    Put(out, column.attnum);
    Put(out, column.type);
  }
}

void AppendValue(std::string* out, std::string_view value) {
  Put(out, static_cast<std::uint16_t>(value.size()));
  out->append(value);
}

void AppendNull(std::string* out) { Put(out, kNullLength); }

bool ParseKey(std::string_view packed, std::vector<CapturedColumn>* columns,
              std::vector<std::string_view>* values) {
  std::uint16_t count = 0;
  columns->clear();
  values->clear();
  return Take(&packed, &count) && TakeColumns(&packed, count, columns) &&
         SplitValues(packed, count, values);
}

bool PackColumns(const std::vector<CapturedColumn>& columns,
                 const std::vector<std::string_view>& values,
                 const std::vector<CapturedColumn>& wanted, std::string* packed) {
  AppendKeyHeader(packed, wanted);
  for (const CapturedColumn& column : wanted) {
    const std::string_view* value = FindValue(columns, values, column);
    if (value == nullptr) return false;
    AppendValue(packed, *value);
  }
  return true;
}

}  // namespace polyglot::core
