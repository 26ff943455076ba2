#pragma once
// The only door to RapidJSON: every file must see the same configuration of it. A wrong use throws
// instead of aborting the process, and whatever a server or a user sent is parsed without
// recursion: the default parser dies of deep nesting.

#include <cstddef>
#include <stdexcept>
#include <string_view>

#ifdef RAPIDJSON_ASSERT
#error "include core/json_reader.h before any header of RapidJSON"
#endif
#define RAPIDJSON_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : throw std::logic_error("RapidJSON: " #condition))
#define RAPIDJSON_HAS_STDSTRING 1

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace polyglot::core {

/// For trees of our own making: doubles read back equal.
inline constexpr unsigned kTreeFlags =
    rapidjson::kParseIterativeFlag | rapidjson::kParseFullPrecisionFlag;
/// For what a server or a user sent. Without kParseFullPrecisionFlag, whose code shifts by an
/// undefined count for some zeros; doubles may be off in the last digit, so documents never pass
/// through here.
inline constexpr unsigned kForeignFlags = rapidjson::kParseIterativeFlag;

inline bool IsDeeperThan(std::string_view text, std::size_t most) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && in_string) ++i;
    if (c == '"') in_string = !in_string;
    if (in_string) continue;
    if ((c == '{' || c == '[') && ++depth > most) return true;
    if ((c == '}' || c == ']') && depth > 0) --depth;
  }
  return false;
}

/// What reads or writes a tree recurs, level by level: no search server means so many.
inline bool IsTooDeep(std::string_view text) { return IsDeeperThan(text, 1000); }

/// Parses an object that a user or a server wrote; false: it is none that we would read.
inline bool ParseObject(std::string_view text, rapidjson::Document* document) {
  if (IsTooDeep(text)) return false;
  document->Parse<kForeignFlags>(text.data(), text.size());
  return !document->HasParseError() && document->IsObject();
}

}  // namespace polyglot::core
