#pragma once
// The index mapping derived from the columns of a table, and the user's own merged over it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace polyglot::core {

/// How a field is searched.
enum class FieldKind : std::uint8_t {
  kShort,
  kInteger,
  kLong,
  kFloat,
  kDouble,
  kDecimal,  // double; values that it cannot take are ignored, not refused
  kBoolean,
  kDate,
  kBinary,
  kText,  // full text, and .keyword for sorting and exact matches
  kKeyword,
  kInet,  // keyword, and .ip
  kCidr,  // keyword, and .range
  kIntegerRange,
  kLongRange,
  kDoubleRange,
  kDateRange,
  kUnsearched,  // an object that is kept but not indexed
  kObject,      // with `fields`
  kGeoPoint,
  kGeoShape,
  kDenseVector,  // with `dimensions`
};

/// One field; plain data, owned by the caller, that can be built among code that may be jumped
/// over.
struct FieldMapping {
  const char* name = nullptr;  // UTF-8
  FieldKind kind = FieldKind::kKeyword;
  int dimensions = 0;  // 0: not known
  const FieldMapping* fields = nullptr;
  std::size_t field_count = 0;
};

/// `{"dynamic":false,"date_detection":false,"properties":{…}}`.
std::string DerivedMapping(const FieldMapping* fields, std::size_t count);

/// The mapping below the documents of a `document` expression. Their fields cannot be derived, and
/// with `dynamic: false` nothing in them could be found: so `dynamic` stays the server's default
/// (true) until the user says otherwise. Date detection is off all the same: it would make the
/// first document that happens to hold a date refuse all later ones that do not.
std::string UnknownMapping();

/// `user` (JSON text) over `derived`: objects are merged, anything else replaces, null removes. A
/// field whose `type` the user changes loses what was derived for the old type (except the fields
/// of an object that becomes `nested`), and naming `object` for an unsearched object enables it.
Result<std::string> MergeMapping(std::string_view derived, std::string_view user);

}  // namespace polyglot::core
