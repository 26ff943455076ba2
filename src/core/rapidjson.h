#pragma once
// The only door to RapidJSON: every file must see the same configuration of it. A wrong use throws
// instead of aborting the process, and whatever a server or a user sent is parsed without
// recursion: the default parser dies of deep nesting.

#include <cstddef>
#include <stdexcept>

#ifdef RAPIDJSON_ASSERT
#error "include core/rapidjson.h before any header of RapidJSON"
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

}  // namespace polyglot::core
