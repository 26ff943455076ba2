#include "core/json_tree.h"

#include "core/text.h"

namespace polyglot::core::json {
namespace {

rapidjson::SizeType Length(std::string_view text) {
  return static_cast<rapidjson::SizeType>(text.size());
}

}  // namespace

const Value* Find(const Value* value, std::string_view name) {
  if (value == nullptr || !value->IsObject()) return nullptr;
  const auto member = value->FindMember(Value(rapidjson::StringRef(name.data(), name.size())));
  return member == value->MemberEnd() ? nullptr : &member->value;
}

std::string_view ViewOf(const Value& text) {
  return text.IsString() ? std::string_view(text.GetString(), text.GetStringLength())
                         : std::string_view();
}

std::string TextOf(const Value* value, std::size_t max_bytes) {
  return value == nullptr ? std::string() : SanitiseText(ViewOf(*value), max_bytes);
}

void Put(Writer* writer, std::string_view text) { writer->String(text.data(), Length(text)); }

void PutKey(Writer* writer, std::string_view key) { writer->Key(key.data(), Length(key)); }

void PutPair(Writer* writer, std::string_view key, std::string_view value) {
  PutKey(writer, key);
  Put(writer, value);
}

std::string Text(const StringBuffer& buffer) { return {buffer.GetString(), buffer.GetSize()}; }

}  // namespace polyglot::core::json
