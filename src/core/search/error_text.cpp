#include "core/search/error_text.h"

#include <algorithm>
#include <array>

#include "core/json_tree.h"
#include "core/search/bulk_response.h"
#include "core/text.h"

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

std::string_view TextOf(const json::Value& object, std::string_view name) {
  const json::Value* value = json::Find(&object, name);
  return value == nullptr ? std::string_view() : json::ViewOf(*value);
}

/// What an error says, and each of its causes that says something else.
void AppendReasons(const json::Value& error, std::string* out) {
  std::string_view reason = TextOf(error, "reason");
  if (out->find(reason) == std::string::npos) {
    if (!out->empty()) *out += ": ";
    *out += reason;
  }
  const json::Value* cause = json::Find(&error, "caused_by");
  if (cause != nullptr && cause->IsObject() && out->size() < kWholeBytes)
    AppendReasons(*cause, out);
}

}  // namespace

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
  const json::Value* error = json::Find(&answer, "error");
  if (error == nullptr || !error->IsObject()) return NormaliseRefusal(body);
  std::string text(TextOf(*error, "type"));
  AppendReasons(*error, &text);
  return SanitiseText(WithoutAddresses(text), kWholeBytes);
}

}  // namespace polyglot::core
