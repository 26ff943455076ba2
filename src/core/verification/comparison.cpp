#include "core/verification/comparison.h"

#include "core/json_reader.h"
#include "core/readable_json.h"

namespace polyglot::core {
namespace {

using rapidjson::SizeType;

/// Builds a tree in which numbers are texts that no string can be taken for.
class Tagger : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Tagger> {
 public:
  Tagger(rapidjson::Document* tree, const Readable* readable, const rapidjson::MemoryStream* stream)
      : tree_(tree), readable_(readable), stream_(stream) {}
  bool Null() { return tree_->Null(); }
  bool Bool(bool value) { return tree_->Bool(value); }
  bool RawNumber(const char*, SizeType length, bool) {
    const std::string_view number = readable_->NumberAt(stream_->Tell() - length);
    return Put('#', number.data(), static_cast<SizeType>(number.size()));
  }
  bool String(const char* text, SizeType length, bool) { return Put('"', text, length); }
  bool Key(const char* text, SizeType length, bool) { return tree_->Key(text, length, true); }
  bool StartObject() { return tree_->StartObject(); }
  bool EndObject(SizeType members) { return tree_->EndObject(members); }
  bool StartArray() { return tree_->StartArray(); }
  bool EndArray(SizeType elements) { return tree_->EndArray(elements); }

 private:
  bool Put(char tag, const char* text, SizeType length) {
    tagged_.assign(1, tag);
    tagged_.append(text, length);
    return tree_->String(tagged_.data(), static_cast<SizeType>(tagged_.size()), true);
  }
  rapidjson::Document* tree_;
  const Readable* readable_;
  const rapidjson::MemoryStream* stream_;
  std::string tagged_;
};

struct TaggedText {
  std::string_view text;
  bool ok = false;
  bool operator()(rapidjson::Document& tree) {
    const Readable readable(text);
    rapidjson::MemoryStream stream(readable.text().data(), readable.text().size());
    rapidjson::Reader reader;
    Tagger tagger(&tree, &readable, &stream);
    ok = !reader.Parse<kTextFlags>(stream, tagger).IsError();
    return ok;
  }
};

bool Build(std::string_view text, rapidjson::Document* tree) {
  if (IsTooDeep(text)) return false;
  TaggedText source{text};
  tree->Populate(source);
  return source.ok;
}

}  // namespace

std::string DifferingFields(std::string_view one, std::string_view other) {
  constexpr std::size_t kMost = 400;
  rapidjson::Document first, second;
  std::string names;
  if (!Build(one, &first) || !Build(other, &second) || !first.IsObject() || !second.IsObject())
    return names;
  const auto add = [&names](const rapidjson::Value& name) {
    if (names.size() > kMost) return;
    if (!names.empty()) names += ", ";
    names.append(name.GetString(), name.GetStringLength());
  };
  for (const auto& member : first.GetObject()) {
    const auto there = second.FindMember(member.name);
    if (there == second.MemberEnd() || !(there->value == member.value)) add(member.name);
  }
  for (const auto& member : second.GetObject())
    if (first.FindMember(member.name) == first.MemberEnd()) add(member.name);
  return names;
}

bool SameDocument(std::string_view one, std::string_view other) {
  if (one == other) return true;
  rapidjson::Document first, second;
  return Build(one, &first) && Build(other, &second) && first == second;
}

}  // namespace polyglot::core
