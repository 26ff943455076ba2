#include "core/search/index_requests.h"

#include <algorithm>

#include "core/search/answer.h"

namespace polyglot::core {
namespace {

using json::Document;
using json::Find;
using json::PutKey;
using json::PutPair;
using json::StringBuffer;
using json::Text;
using json::Value;
using json::Writer;

void AddAliasAction(Writer* writer, const char* action, std::string_view index,
                    std::string_view alias) {
  writer->StartObject();
  writer->Key(action);
  writer->StartObject();
  PutPair(writer, "index", index);
  if (!alias.empty()) PutPair(writer, "alias", alias);
  writer->EndObject();
  writer->EndObject();
}

MetaPairs MetaOf(const Value& index) {
  MetaPairs pairs;
  const Value* ours = Find(Find(Find(&index, "mappings"), "_meta"), "polyglot_sync");
  if (ours == nullptr || !ours->IsObject()) return pairs;
  for (const auto& member : ours->GetObject())
    if (member.value.IsString()) pairs.emplace_back(NameOf(&member.name), NameOf(&member.value));
  return pairs;
}

/// All of `_meta`, also what is not ours, in the form that MetaBody takes.
std::string MetaMapping(const Value& index) {
  const Value* meta = Find(Find(&index, "mappings"), "_meta");
  if (meta == nullptr || !meta->IsObject()) return {};
  StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("_meta");
  meta->Accept(writer);
  writer.EndObject();
  return Text(buffer);
}

// A pattern, or several.
bool NamesAny(const Value* patterns) {
  if (patterns == nullptr) return false;
  return patterns->IsArray() ? patterns->Size() > 0 : patterns->IsString();
}

}  // namespace

std::string AliasBody(const AliasChange& change) {
  StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("actions");
  writer.StartArray();
  for (const std::string& index : change.remove_index)
    AddAliasAction(&writer, "remove_index", index, {});
  for (const std::string& index : change.remove_from)
    AddAliasAction(&writer, "remove", index, change.alias);
  if (!change.index.empty()) AddAliasAction(&writer, "add", change.index, change.alias);
  writer.EndArray();
  writer.EndObject();
  return Text(buffer);
}

Result<std::vector<IndexDescription>> ParseIndices(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("does not describe indexes");
  std::vector<IndexDescription> indices;
  for (const auto& member : answer.GetObject()) {
    if (!member.value.IsObject()) return NotUsable("does not describe indexes");
    IndexDescription index{
        .name = NameOf(&member.name), .uuid = {}, .aliases = {}, .meta = MetaOf(member.value)};
    index.mapping = MetaMapping(member.value);
    index.uuid = NameOf(Find(Find(Find(&member.value, "settings"), "index"), "uuid"));
    index.data_stream = NameOf(Find(&member.value, "data_stream"));
    const Value* aliases = Find(&member.value, "aliases");
    if (aliases != nullptr && aliases->IsObject())
      for (const auto& alias : aliases->GetObject()) index.aliases.push_back(NameOf(&alias.name));
    indices.push_back(std::move(index));
  }
  return indices;
}

bool HasAlias(const IndexDescription& index, std::string_view alias) {
  return std::find(index.aliases.begin(), index.aliases.end(), alias) != index.aliases.end();
}

AliasChange ChangeOfAlias(std::string_view alias, std::string_view index,
                          const std::vector<IndexDescription>& holders) {
  AliasChange change{.alias = std::string(alias), .index = std::string(index)};
  for (const IndexDescription& holder : holders) {
    if (holder.name == alias)
      change.remove_index.push_back(holder.name);
    else if (holder.name != index && HasAlias(holder, alias))
      change.remove_from.push_back(holder.name);
  }
  return change;
}

bool SaysMissing(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer)) return false;
  const Value *type = Find(Find(&answer, "error"), "type"), *found = Find(&answer, "found");
  return (type != nullptr && type->IsString()) || (found != nullptr && found->IsFalse());
}

Result<std::int64_t> ParseCount(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer) || IsPartial(answer)) return NotUsable("holds no count");
  const Value* count = Find(&answer, "count");
  if (count == nullptr || !count->IsInt64()) return NotUsable("holds no count");
  return count->GetInt64();
}

Result<std::string> RefreshSettingBody(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("holds no settings");
  const Value* found = nullptr;
  for (const auto& member : answer.GetObject())
    found = Find(Find(Find(&member.value, "settings"), "index"), "refresh_interval");
  StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  PutKey(&writer, "index.refresh_interval");
  if (found == nullptr)
    writer.Null();
  else
    found->Accept(writer);
  writer.EndObject();
  return Text(buffer);
}

Result<ContentRules> ParseContentRules(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("does not describe an index");
  ContentRules rules;
  for (const auto& member : answer.GetObject()) {
    const Value* source = Find(Find(&member.value, "mappings"), "_source");
    const Value* settings = Find(Find(&member.value, "settings"), "index");
    const Value* enabled = Find(source, "enabled");
    const std::string set = NameOf(Find(Find(Find(settings, "mapping"), "source"), "mode"));
    std::string mode = set.empty() ? NameOf(Find(source, "mode")) : set;
    for (char& c : mode) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool off = enabled != nullptr && (enabled->IsFalse() || NameOf(enabled) == "false");
    if (off || mode == "disabled")
      rules.incomparable = "_source is disabled";
    else if (mode == "synthetic")
      rules.incomparable = "_source is synthetic";
    else if (NamesAny(Find(source, "includes")) || NamesAny(Find(source, "excludes")))
      rules.incomparable = "_source leaves out fields";
    for (const char* name : {"default_pipeline", "final_pipeline"}) {
      const std::string pipeline = NameOf(Find(settings, name));
      if (pipeline.empty() || pipeline == "_none") continue;
      rules.pipelines += (rules.pipelines.empty() ? "\"" : ", \"") + pipeline + "\"";
    }
  }
  return rules;
}

}  // namespace polyglot::core
