#pragma once
// Writes JSON text at the end of a std::string. Plain functions, so that code between which and
// PostgreSQL an error may jump holds no object. They throw only std::bad_alloc.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace polyglot::core {

/// Longest number, in digits, that search servers read.
inline constexpr std::size_t kMaxNumberDigits = 1000;

/// A JSON string. `text` must be valid UTF-8: bytes from 0x80 on are copied as they are.
void AppendJsonString(std::string_view text, std::string* out);
/// The same, but false as soon as it is known that `out` gets longer than `end`; then a part of the
/// string is in it.
[[nodiscard]] bool AppendJsonString(std::string_view text, std::size_t end, std::string* out);
void AppendJsonInteger(std::int64_t value, std::string* out);
/// The shortest number that reads back equal; NaN and infinities as null.
void AppendJsonDouble(double value, std::string* out);
void AppendJsonFloat(float value, std::string* out);
/// A decimal number as PostgreSQL prints it ("-12.50", "NaN", "Infinity"): its own digits; NaN and
/// infinities as null; over kMaxNumberDigits digits as a string.
void AppendJsonDecimal(std::string_view text, std::string* out);
/// A string with the base64 of these bytes (RFC 4648, padded).
void AppendJsonBase64(std::string_view bytes, std::string* out);
/// `value` with at least `width` digits, filled with zeros in front.
void AppendPadded(std::uint32_t value, int width, std::string* out);

}  // namespace polyglot::core
