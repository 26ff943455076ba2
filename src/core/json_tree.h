#pragma once
// Small trees: what a request is written with, and what of an answer is looked up by name. Lookups
// take and give nullptr, so a path that is not there needs no question at each step.

#include <cstddef>
#include <string>
#include <string_view>

#include "core/json_reader.h"

namespace polyglot::core::json {

using rapidjson::Document;
using rapidjson::StringBuffer;
using rapidjson::Value;
using Writer = rapidjson::Writer<StringBuffer>;

/// Member of an object; nullptr when there is none or `value` is no object.
const Value* Find(const Value* value, std::string_view name);
/// The text itself; "" when it is none.
std::string_view ViewOf(const Value& text);
/// Sanitised, at most `max_bytes`; "" when `value` is no text.
std::string TextOf(const Value* value, std::size_t max_bytes);

void Put(Writer* writer, std::string_view text);
void PutKey(Writer* writer, std::string_view key);
void PutPair(Writer* writer, std::string_view key, std::string_view value);
std::string Text(const StringBuffer& buffer);

}  // namespace polyglot::core::json
