#include "core/json_writer.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace polyglot::core {

namespace {

// 0: copied as it is; 'u': \u00XX; anything else: the letter after the backslash.
struct EscapeTable {
  char of[256] = {};
  constexpr EscapeTable() {
    for (int c = 0; c < 0x20; ++c) of[c] = 'u';
    for (char c : {'"', '\\'}) Set(c, c);
    Set('\b', 'b');
    Set('\f', 'f');
    Set('\n', 'n');
    Set('\r', 'r');
    Set('\t', 't');
  }
  constexpr void Set(char c, char letter) { of[static_cast<unsigned char>(c)] = letter; }
};
constexpr EscapeTable kEscape;

// Does any of these eight bytes need an escape? Bytes from 0x80 on do not.
bool NeedsEscape(const char* p) {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  constexpr std::uint64_t kHigh = 0x8080808080808080u;
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  const std::uint64_t quote = word ^ (kOnes * '"');
  const std::uint64_t backslash = word ^ (kOnes * '\\');
  const std::uint64_t control = (word - kOnes * 0x20) & ~word;
  const std::uint64_t zero = ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash);
  return ((zero | control) & kHigh) != 0;
}

template <typename T>
void AppendShortest(T value, std::string* out) {
  if (!std::isfinite(value)) {
    out->append("null");
    return;
  }
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  out->append(buffer, end.ptr);
}

void AppendEscaped(std::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  const char* p = text.data();
  const char* const end = p + text.size();
  const char* plain = p;
  while (p < end) {
    if (end - p >= 8 && !NeedsEscape(p)) {
      p += 8;
      continue;
    }
    const auto byte = static_cast<unsigned char>(*p);
    const char escape = kEscape.of[byte];
    if (escape == 0) {
      ++p;
      continue;
    }
    out->append(plain, p);
    out->push_back('\\');
    out->push_back(escape);
    if (escape == 'u') {
      const char digits[] = {'0', '0', kHex[byte >> 4], kHex[byte & 15]};
      out->append(digits, sizeof digits);
    }
    plain = ++p;
  }
  out->append(plain, end);
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  AppendEscaped(text, out);
  out->push_back('"');
}

bool AppendJsonString(std::string_view text, std::size_t end, std::string* out) {
  constexpr std::size_t kAtOnce = 1u << 16;
  out->push_back('"');
  if (out->size() <= end && text.size() <= end - out->size() && text.size() > kAtOnce)
    out->reserve(out->size() + text.size() + 1);
  for (std::size_t at = 0; at < text.size(); at += kAtOnce) {
    if (out->size() > end || text.size() - at > end - out->size()) return false;
    AppendEscaped(text.substr(at, kAtOnce), out);  // bytes of one character are copied anyhow
  }
  out->push_back('"');
  return out->size() <= end;
}

void AppendJsonInteger(std::int64_t value, std::string* out) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  out->append(buffer, end.ptr);
}

void AppendJsonDouble(double value, std::string* out) { AppendShortest(value, out); }

void AppendJsonFloat(float value, std::string* out) { AppendShortest(value, out); }

void AppendJsonDecimal(std::string_view text, std::string* out) {
  const std::size_t sign = !text.empty() && text[0] == '-' ? 1 : 0;
  if (text.size() == sign || text[sign] < '0' || text[sign] > '9') {
    out->append("null");  // NaN, Infinity, -Infinity
    return;
  }
  std::size_t digits = text.size() - sign;
  if (text.find('.') != std::string_view::npos) --digits;
  const bool too_long = digits > kMaxNumberDigits;
  if (too_long) out->push_back('"');
  out->append(text);
  if (too_long) out->push_back('"');
}

void AppendJsonBase64(std::string_view bytes, std::string* out) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out->reserve(out->size() + (bytes.size() + 2) / 3 * 4 + 2);
  out->push_back('"');
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    std::uint32_t three = static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << 16;
    if (left > 1)
      three |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i + 1])) << 8;
    if (left > 2) three |= static_cast<unsigned char>(bytes[i + 2]);
    out->push_back(kAlphabet[three >> 18]);
    out->push_back(kAlphabet[(three >> 12) & 63]);
    out->push_back(left > 1 ? kAlphabet[(three >> 6) & 63] : '=');
    out->push_back(left > 2 ? kAlphabet[three & 63] : '=');
  }
  out->push_back('"');
}

void AppendPadded(std::uint32_t value, int width, std::string* out) {
  char buffer[12];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  for (std::ptrdiff_t digits = end.ptr - buffer; digits < width; ++digits) out->push_back('0');
  out->append(buffer, end.ptr);
}

}  // namespace polyglot::core
