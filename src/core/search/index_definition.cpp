#include "core/search/index_definition.h"

#include <algorithm>
#include <array>

#include "core/json_tree.h"

namespace polyglot::core {
namespace {

using json::Document;
using json::Find;
using json::StringBuffer;
using json::Text;
using json::Value;
using json::Writer;

constexpr const char* kMappingHint =
    "Give what stands below \"mappings\" of an index, such as "
    "'{\"properties\": {\"name\": {\"type\": \"text\"}}}'.";
constexpr const char* kSettingsHint =
    "Give what stands below \"settings\" of an index, such as '{\"number_of_shards\": 3}'.";

/// Servers take objects in objects up to index.mapping.depth.limit, 20 by default; each is two
/// levels of JSON.
constexpr std::size_t kMostLevels = 200;
/// Of index.mapping.total_fields.limit, where nobody says otherwise.
constexpr std::size_t kDefaultFields = 1000;

Value Copy(std::string_view text, Document* document) {
  return Value(text.data(), static_cast<rapidjson::SizeType>(text.size()),
               document->GetAllocator());
}

std::optional<Error> ReadObject(std::string_view text, const char* what, Document* document) {
  if (text.empty()) text = "{}";
  if (ParseObject(text, document)) return std::nullopt;
  return Error{.message = std::string("the ") + what + " is not a JSON object", .hint = {}};
}

/// The object under `name`, made if it is missing; anything else in its place is replaced.
Value* Descend(Value* object, const char* name, Document* document) {
  auto& allocator = document->GetAllocator();
  auto member = object->FindMember(name);
  if (member == object->MemberEnd()) {
    object->AddMember(Copy(name, document), Value(rapidjson::kObjectType), allocator);
    member = object->FindMember(name);
  }
  if (!member->value.IsObject()) member->value.SetObject();
  return &member->value;
}

void SetMeta(Value* mapping, const MetaPairs& meta, Document* document) {
  Value* ours = Descend(Descend(mapping, "_meta", document), "polyglot_sync", document);
  ours->SetObject();
  for (const auto& [name, value] : meta)
    ours->AddMember(Copy(name, document), Copy(value, document), document->GetAllocator());
}

/// Dots in a name and objects in objects mean the same, mixed at will.
bool Holds(const Value& settings, std::string_view name) {
  if (!settings.IsObject()) return false;
  for (const auto& member : settings.GetObject()) {
    const std::string_view key = json::ViewOf(member.name);
    if (key == name) return true;
    const bool above = name.size() > key.size() && name.starts_with(key) && name[key.size()] == '.';
    if (above && Holds(member.value, name.substr(key.size() + 1))) return true;
  }
  return false;
}

/// Settings may be spelt {"index":{"x":…}}, {"index.x":…} or {"x":…}.
bool HasSetting(const Value& settings, std::string_view name) {
  return Holds(settings, name) || Holds(settings, "index." + std::string(name));
}

/// Fields, objects and multi-fields of a mapping, as servers count them.
std::size_t CountFields(const Value& mapping) {
  std::size_t count = 0;
  std::vector<const Value*> open = {&mapping};
  while (!open.empty()) {
    const Value* definition = open.back();
    open.pop_back();
    for (const char* table : {"properties", "fields", "runtime"})
      if (const Value* fields = Find(definition, table); fields != nullptr && fields->IsObject())
        for (const auto& field : fields->GetObject()) {
          ++count;
          open.push_back(&field.value);
        }
  }
  return count;
}

// As many fields may still come as an index takes by default.
void MakeRoomForFields(const Value& mapping, Document* settings) {
  constexpr const char* kLimit = "mapping.total_fields.limit";
  const std::size_t fields = CountFields(mapping);
  if (fields <= kDefaultFields || HasSetting(*settings, kLimit)) return;
  auto& allocator = settings->GetAllocator();
  settings->AddMember(Value((std::string("index.") + kLimit).c_str(), allocator),
                      Value(static_cast<std::uint64_t>(fields + kDefaultFields)), allocator);
}

std::optional<Error> ReadShape(std::string_view text, const char* what, const char* hint,
                               Document* document) {
  if (IsDeeperThan(text, kMostLevels))
    return Error{
        std::string(what) + " has more than " + std::to_string(kMostLevels) + " levels of JSON",
        hint};
  if (ParseObject(text, document)) return std::nullopt;
  return Error{std::string(what) + " must be a JSON object", hint};
}

std::string Quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

/// Definitions of fields that are still to be looked at; where they stand, for messages.
struct Definition {
  std::string path;
  const Value* value;
};

std::optional<Error> CheckTable(const Definition& in, const char* table,
                                std::vector<Definition>* open) {
  const Value* fields = Find(in.value, table);
  if (fields == nullptr || fields->IsNull()) return std::nullopt;
  const std::string where = in.path.empty() ? "" : " of field " + Quoted(in.path);
  if (!fields->IsObject())
    return Error{Quoted(table) + where + " must be a JSON object in mapping", kMappingHint};
  for (const auto& field : fields->GetObject()) {
    const std::string path =
        (in.path.empty() ? "" : in.path + ".") + std::string(json::ViewOf(field.name));
    if (field.value.IsNull()) continue;
    if (!field.value.IsObject())
      return Error{"field " + Quoted(path) + " must be a JSON object in mapping", kMappingHint};
    const Value* type = Find(&field.value, "type");
    if (type != nullptr && !type->IsString() && !type->IsNull())
      return Error{"\"type\" of field " + Quoted(path) + " must be a string in mapping",
                   kMappingHint};
    open->push_back({path, &field.value});
  }
  return std::nullopt;
}

/// Parameters of a mapping that may look like a field: objects.
bool IsRootParameter(std::string_view name) {
  constexpr std::array<std::string_view, 4> kObjects = {"properties", "runtime", "derived",
                                                        "context_aware_grouping"};
  const bool known = std::find(kObjects.begin(), kObjects.end(), name) != kObjects.end();
  return known || (name.starts_with('_') && name != "_doc");
}

/// Keys of the body that an index is made from: they stand beside, not in, what is asked for.
bool IsOfWholeBody(std::string_view name) {
  return name == "mappings" || name == "settings" || name == "aliases" || name == "_doc";
}

std::optional<Error> CheckRoot(const Value& mapping) {
  for (const auto& member : mapping.GetObject()) {
    const std::string_view name = json::ViewOf(member.name);
    const bool is_field =
        Find(&member.value, "type") != nullptr || Find(&member.value, "properties") != nullptr;
    if (IsOfWholeBody(name)) return Error{"mapping must not contain " + Quoted(name), kMappingHint};
    if (member.value.IsObject() && is_field && !IsRootParameter(name))
      return Error{"field " + Quoted(name) + " must stand below \"properties\" of mapping",
                   kMappingHint};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> CheckMappingShape(std::string_view mapping) {
  Document tree;
  if (auto error = ReadShape(mapping, "mapping", kMappingHint, &tree)) return error;
  if (auto error = CheckRoot(tree)) return error;
  std::vector<Definition> open = {{"", &tree}};
  while (!open.empty()) {
    const Definition definition = std::move(open.back());
    open.pop_back();
    for (const char* table : {"properties", "fields", "runtime"})
      if (auto error = CheckTable(definition, table, &open)) return error;
  }
  return std::nullopt;
}

std::optional<Error> CheckSettingsShape(std::string_view settings) {
  Document tree;
  if (auto error = ReadShape(settings, "settings", kSettingsHint, &tree)) return error;
  for (const auto& member : tree.GetObject()) {
    const std::string_view name = json::ViewOf(member.name);
    if (IsOfWholeBody(name) || name == "properties")
      return Error{"settings must not contain " + Quoted(name), kSettingsHint};
    if (name == "index" && !member.value.IsObject())
      return Error{"\"index\" must be a JSON object in settings", kSettingsHint};
  }
  return std::nullopt;
}

Result<std::string> CreateIndexBody(std::string_view mapping, std::string_view settings,
                                    const MetaPairs& meta) {
  Document mapping_tree;
  Document settings_tree;
  if (auto error = ReadObject(mapping, "mapping", &mapping_tree)) return *error;
  if (auto error = ReadObject(settings, "settings", &settings_tree)) return *error;
  SetMeta(&mapping_tree, meta, &mapping_tree);
  if (!HasSetting(settings_tree, "gc_deletes"))
    settings_tree.AddMember("index.gc_deletes", "1h", settings_tree.GetAllocator());
  MakeRoomForFields(mapping_tree, &settings_tree);
  StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("settings");
  settings_tree.Accept(writer);
  writer.Key("mappings");
  mapping_tree.Accept(writer);
  writer.EndObject();
  return Text(buffer);
}

Result<std::string> MetaBody(std::string_view mapping, const MetaPairs& meta) {
  Document tree;
  if (auto error = ReadObject(mapping, "mapping", &tree)) return *error;
  SetMeta(&tree, meta, &tree);
  StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("_meta");
  tree["_meta"].Accept(writer);
  writer.EndObject();
  return Text(buffer);
}

}  // namespace polyglot::core
