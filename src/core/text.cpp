#include "core/text.h"

#include <algorithm>
#include <cstdint>

namespace polyglot::core {
namespace {

/// Length of the UTF-8 character at the start of `text`; 0 when it is not one.
std::size_t CharacterLength(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!follows(1) || !follows(2)) return 0;
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead < 0xF0 || lead > 0xF4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  const bool overlong = lead == 0xF0 && byte(1) < 0x90;
  const bool beyond = lead == 0xF4 && byte(1) >= 0x90;
  return overlong || beyond ? 0 : 4;
}

}  // namespace

std::string SanitiseText(std::string_view text, std::size_t max_bytes) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes));
  while (!text.empty()) {
    const std::size_t length = CharacterLength(text);
    const std::size_t taken = std::max<std::size_t>(length, 1);
    if (out.size() + taken > max_bytes) break;
    if (length == 0) {
      out.push_back('?');
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(taken);
  }
  return out;
}

void ShortenDocument(std::string* document, std::size_t most) {
  const std::size_t size = document->size();
  if (size <= most) return;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>((*document)[end]) & 0xC0) == 0x80) --end;
  // A new string: the old one's memory goes.
  *document = document->substr(0, end) + " ... (" + std::to_string(size) + " bytes in all)";
}

}  // namespace polyglot::core
