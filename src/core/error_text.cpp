#include "core/error_text.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/bulk_response.h"
#include "core/rapidjson.h"

namespace polyglot::core {
namespace {

constexpr std::size_t kShownBytes = 400;
constexpr std::size_t kWholeBytes = 2000;

/// Error types whose reasons name indexes, nodes, limits and users, never a document's contents.
constexpr std::array<std::string_view, 8> kWithoutValues = {
    "cluster_block_exception",      "index_not_found_exception",  "index_closed_exception",
    "security_exception",           "circuit_breaking_exception", "media_type_header_exception",
    "invalid_index_name_exception", "authentication_exception"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

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

std::string WithoutAddresses(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '@' || i + 1 >= text.size() || !IsHex(text[i + 1])) {
      out.push_back(text[i]);
      continue;
    }
    while (i + 1 < text.size() && IsHex(text[i + 1])) ++i;
  }
  return out;
}

/// Where a row's value may begin.
std::size_t FirstDelimiter(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    // The apostrophe in "field's" opens nothing.
    const bool apostrophe = c == '\'' && i > 0 && IsLetter(text[i - 1]);
    if (apostrophe) continue;
    if (IsDigit(c) || std::string_view("'\"`[({<").find(c) != std::string_view::npos) return i;
  }
  return text.size();
}

/// "[1:9] failed …": where in the document the parser stood.
std::string_view WithoutPosition(std::string_view text) {
  const std::size_t end = text.find_first_not_of("0123456789:", 1);
  const bool position =
      text.starts_with('[') && end != std::string_view::npos && end > 1 && text[end] == ']';
  if (!position) return text;
  text.remove_prefix(end + 1);
  if (text.starts_with(' ')) text.remove_prefix(1);
  return text;
}

std::string WithoutValues(std::string_view text) {
  text = WithoutPosition(text);
  const std::size_t cut = FirstDelimiter(text);
  std::string out(text.substr(0, cut));
  if (cut != text.size()) out += "…";
  return out;
}

std::string_view TextOf(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsString()) return {};
  return {member->value.GetString(), member->value.GetStringLength()};
}

/// What an error says, and each of its causes that says something else.
void AppendReasons(const rapidjson::Value& error, std::string* out) {
  std::string_view reason = TextOf(error, "reason");
  if (out->find(reason) == std::string::npos) {
    if (!out->empty()) *out += ": ";
    *out += reason;
  }
  const auto cause = error.FindMember("caused_by");
  if (cause != error.MemberEnd() && cause->value.IsObject() && out->size() < kWholeBytes)
    AppendReasons(cause->value, out);
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

std::string NormaliseError(std::string_view type, std::string_view reason) {
  const bool harmless =
      std::find(kWithoutValues.begin(), kWithoutValues.end(), type) != kWithoutValues.end();
  std::string text = WithoutAddresses(reason);
  if (!harmless) text = WithoutValues(text);
  while (!text.empty() && text.back() == ' ') text.pop_back();
  std::string out(type);
  if (!type.empty() && !text.empty()) out += ": ";
  return SanitiseText(out + text, kShownBytes);
}

std::string NormaliseRefusal(std::string_view body) {
  const ServerError error = ParseServerError(body);
  if (error.type.empty() && error.reason.empty()) return NormaliseError("", body);
  return NormaliseError(error.type, error.reason);
}

std::string WholeRefusal(std::string_view body) {
  rapidjson::Document answer;
  if (!ParseObject(body, &answer)) return NormaliseError("", body);
  const auto error = answer.FindMember("error");
  if (error == answer.MemberEnd() || !error->value.IsObject()) return NormaliseRefusal(body);
  std::string text(TextOf(error->value, "type"));
  AppendReasons(error->value, &text);
  return SanitiseText(WithoutAddresses(text), kWholeBytes);
}

}  // namespace polyglot::core
