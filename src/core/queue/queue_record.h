#pragma once
// The packed form of key events in a queue row, and of key values anywhere else.
//
//   data   := group+
//   group  := source:u32 columns:u16 records:u16 column{columns} record{records}
//   column := attnum:i16 type:u32                 (of the source relation, at the time of capture)
//   record := event:u8 length:u16 values          (length counts values)
//   values := one for each column: length:u16 bytes; 0xFFFF = NULL
//
// A value's bytes are the datum itself: the fixed-length bytes, or a varlena's payload, detoasted
// and without header (pg/document/key_codec.h tells how long ones are stored), or a cstring's
// bytes. Little endian as the machine is: rows never leave it.
//
// `packed key` := columns:u16 column{columns} values: the self-describing form that parked keys,
// dead letters and operations carry.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace polyglot::core {

/// What a record says happened.
enum class EventKind : std::uint8_t {
  kInsert = 'I',
  kUpdate = 'U',
  kDelete = 'D',    // also the old key of an update that changed it
  kEnqueue = 'E',   // polyglot.enqueue, requeue
  kTruncate = 'T',  // no values
  kResync = 'R',    // the capture cannot tell which rows changed: no values
  kControl = 'C',   // the worker's own control row
};

/// A column as it was when its values were recorded. `type` stands for the form of their bytes
/// (StampOf in pg/document/key_codec.h): bytes that were recorded as another one are never read.
struct CapturedColumn {
  std::int16_t attnum;
  std::uint32_t type;
  bool operator==(const CapturedColumn&) const = default;
};

inline constexpr std::uint16_t kNullLength = 0xFFFF;
inline constexpr std::size_t kGroupHeader = 8;
inline constexpr std::size_t kColumnHeader = 6;
inline constexpr std::size_t kRecordHeader = 3;

/// One decoded record; views point into the row's data.
struct KeyEvent {
  std::uint32_t source = 0;
  EventKind kind = EventKind::kInsert;
  const std::vector<CapturedColumn>* columns = nullptr;
  std::string_view values;
};

/// Walks the records of one queue row. Any length that does not fit ends the walk with ok() false:
/// a damaged row must not take the worker down.
class RecordReader {
 public:
  explicit RecordReader(std::string_view data) : rest_(data) {}
  bool Next(KeyEvent* event);
  bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  std::vector<CapturedColumn> columns_;
  std::uint32_t source_ = 0;
  std::uint16_t left_ = 0;
  bool ok_ = true;
};

/// Splits `values` into one view per column (data() == nullptr: NULL). false: does not fit.
bool SplitValues(std::string_view values, std::size_t columns, std::vector<std::string_view>* out);

/// The value of a column in a record or key. nullptr: it has none that was recorded as this very
/// type, or NULL. Nothing else takes a value by its column.
const std::string_view* FindValue(const std::vector<CapturedColumn>& columns,
                                  const std::vector<std::string_view>& values,
                                  const CapturedColumn& wanted);

/// Builds a packed key.
void AppendKeyHeader(std::string* out, const std::vector<CapturedColumn>& columns);
void AppendValue(std::string* out, std::string_view value);
void AppendNull(std::string* out);
/// Reads a packed key. false: damaged.
bool ParseKey(std::string_view packed, std::vector<CapturedColumn>* columns,
              std::vector<std::string_view>* values);
/// Appends the packed key of the wanted columns. false: one of them has no value (FindValue).
bool PackColumns(const std::vector<CapturedColumn>& columns,
                 const std::vector<std::string_view>& values,
                 const std::vector<CapturedColumn>& wanted, std::string* packed);

}  // namespace polyglot::core
