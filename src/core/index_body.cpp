#include "core/index_body.h"

#include <algorithm>
#include <charconv>

#include "core/error_text.h"
#include "core/rapidjson.h"

namespace polyglot::core {
namespace {

using rapidjson::Document;
using rapidjson::StringBuffer;
using rapidjson::Value;
using Writer = rapidjson::Writer<StringBuffer>;

constexpr std::size_t kNameBytes = 8192;

rapidjson::SizeType Length(std::string_view text) {
  return static_cast<rapidjson::SizeType>(text.size());
}

void Put(Writer* writer, std::string_view text) { writer->String(text.data(), Length(text)); }

void PutKey(Writer* writer, std::string_view key) { writer->Key(key.data(), Length(key)); }

void PutPair(Writer* writer, std::string_view key, std::string_view value) {
  PutKey(writer, key);
  Put(writer, value);
}

std::string Text(const StringBuffer& buffer) { return {buffer.GetString(), buffer.GetSize()}; }

/// Member of an object; nullptr when there is none or `value` is no object.
const Value* Find(const Value* value, std::string_view name) {
  if (value == nullptr || !value->IsObject()) return nullptr;
  const auto member = value->FindMember(Value(rapidjson::StringRef(name.data(), name.size())));
  return member == value->MemberEnd() ? nullptr : &member->value;
}

std::string StringOf(const Value* value) {
  if (value == nullptr || !value->IsString()) return {};
  return SanitiseText({value->GetString(), value->GetStringLength()}, kNameBytes);
}

Error NotUsable(std::string_view what) {
  return {.message = "answer of the search server " + std::string(what), .hint = {}};
}

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
    if (member.value.IsString())
      pairs.emplace_back(StringOf(&member.name), StringOf(&member.value));
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

std::optional<Hit> HitOf(const Value& value) {
  const Value* id = Find(&value, "_id");
  const Value* version = Find(&value, "_version");
  if (id == nullptr || !id->IsString() || version == nullptr || !version->IsUint64())
    return std::nullopt;
  Hit hit;
  hit.id.assign(id->GetString(), id->GetStringLength());
  hit.version = version->GetUint64();
  const Value* routing = Find(&value, "_routing");
  if (routing != nullptr && routing->IsString())
    hit.routing.emplace(routing->GetString(), routing->GetStringLength());
  return hit;
}

// A pattern, or several.
bool NamesAny(const Value* patterns) {
  if (patterns == nullptr) return false;
  return patterns->IsArray() ? patterns->Size() > 0 : patterns->IsString();
}

bool IsPartial(const Document& answer) {
  const Value* timed_out = Find(&answer, "timed_out");
  const Value* failed = Find(Find(&answer, "_shards"), "failed");
  return (timed_out != nullptr && timed_out->IsTrue()) ||
         (failed != nullptr && failed->IsUint64() && failed->GetUint64() > 0);
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
        .name = StringOf(&member.name), .uuid = {}, .aliases = {}, .meta = MetaOf(member.value)};
    index.mapping = MetaMapping(member.value);
    index.uuid = StringOf(Find(Find(Find(&member.value, "settings"), "index"), "uuid"));
    index.data_stream = StringOf(Find(&member.value, "data_stream"));
    const Value* aliases = Find(&member.value, "aliases");
    if (aliases != nullptr && aliases->IsObject())
      for (const auto& alias : aliases->GetObject()) index.aliases.push_back(StringOf(&alias.name));
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
    const std::string set = StringOf(Find(Find(Find(settings, "mapping"), "source"), "mode"));
    std::string mode = set.empty() ? StringOf(Find(source, "mode")) : set;
    for (char& c : mode) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool off = enabled != nullptr && (enabled->IsFalse() || StringOf(enabled) == "false");
    if (off || mode == "disabled")
      rules.incomparable = "_source is disabled";
    else if (mode == "synthetic")
      rules.incomparable = "_source is synthetic";
    else if (NamesAny(Find(source, "includes")) || NamesAny(Find(source, "excludes")))
      rules.incomparable = "_source leaves out fields";
    for (const char* name : {"default_pipeline", "final_pipeline"}) {
      const std::string pipeline = StringOf(Find(settings, name));
      if (pipeline.empty() || pipeline == "_none") continue;
      rules.pipelines += (rules.pipelines.empty() ? "\"" : ", \"") + pipeline + "\"";
    }
  }
  return rules;
}

WalkOrder WalkOrderFor(Product product, std::string_view version) {
  if (product == Product::kElasticsearch) return WalkOrder::kShardDoc;
  int major = 0;
  int minor = 0;
  const char* end = version.data() + version.size();
  const char* dot = std::from_chars(version.data(), end, major).ptr;
  if (dot != end) std::from_chars(dot + 1, end, minor);
  const bool has_shard_doc = major > 3 || (major == 3 && minor >= 3);
  return has_shard_doc ? WalkOrder::kShardDoc : WalkOrder::kIdDoc;
}

std::string OpenPitPath(Product product, std::string_view index, std::string_view keep_alive) {
  const bool elastic = product == Product::kElasticsearch;
  return "/" + std::string(index) + (elastic ? "/_pit" : "/_search/point_in_time") +
         "?keep_alive=" + std::string(keep_alive);
}

Result<std::string> ParsePitId(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("holds no point in time");
  const Value* id = Find(&answer, "id");
  if (id == nullptr) id = Find(&answer, "pit_id");
  if (id == nullptr || !id->IsString() || id->GetStringLength() == 0 || IsPartial(answer))
    return NotUsable("holds no point in time");
  return std::string(id->GetString(), id->GetStringLength());
}

std::string ClosePitPath(Product product) {
  return product == Product::kElasticsearch ? "/_pit" : "/_search/point_in_time";
}

std::string ClosePitBody(Product product, std::string_view pit_id) {
  StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  if (product == Product::kElasticsearch) {
    PutPair(&writer, "id", pit_id);
  } else {
    PutKey(&writer, "pit_id");
    writer.StartArray();
    Put(&writer, pit_id);
    writer.EndArray();
  }
  writer.EndObject();
  return Text(buffer);
}

std::string PitSearchBody(std::string_view pit_id, std::string_view keep_alive, std::size_t size,
                          WalkOrder order, std::string_view search_after) {
  StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("size");
  writer.Uint64(size);
  writer.Key("pit");
  writer.StartObject();
  PutPair(&writer, "id", pit_id);
  PutPair(&writer, "keep_alive", keep_alive);
  writer.EndObject();
  writer.Key("sort");
  const std::string_view sort = order == WalkOrder::kShardDoc ? R"([{"_shard_doc":"asc"}])"
                                                              : R"([{"_id":"asc"},{"_doc":"asc"}])";
  writer.RawValue(sort.data(), sort.size(), rapidjson::kArrayType);
  if (!search_after.empty()) {
    writer.Key("search_after");
    writer.RawValue(search_after.data(), search_after.size(), rapidjson::kArrayType);
  }
  writer.Key("_source");
  writer.Bool(false);
  writer.Key("version");
  writer.Bool(true);
  writer.Key("track_total_hits");
  writer.Bool(false);
  writer.EndObject();
  return Text(buffer);
}

Result<WalkPage> ParseWalkPage(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("holds no hits");
  if (IsPartial(answer)) return NotUsable("lacks the hits of a shard");
  const Value* hits = Find(Find(&answer, "hits"), "hits");
  if (hits == nullptr || !hits->IsArray()) return NotUsable("holds no hits");
  WalkPage page;
  // Not StringOf: the id of a search over many shards is long, and cut it would be worthless.
  const Value* pit_id = Find(&answer, "pit_id");
  if (pit_id != nullptr && pit_id->IsString())
    page.pit_id.assign(pit_id->GetString(), pit_id->GetStringLength());
  for (const Value& value : hits->GetArray()) {
    std::optional<Hit> hit = HitOf(value);
    if (!hit) return NotUsable("has a hit without _id or _version");
    page.hits.push_back(std::move(*hit));
  }
  if (page.hits.empty()) return page;
  const Value* sort = Find(&(*hits)[hits->Size() - 1], "sort");
  if (sort == nullptr || !sort->IsArray()) return NotUsable("has a hit without sort values");
  StringBuffer buffer;
  Writer writer(buffer);
  sort->Accept(writer);
  page.search_after = Text(buffer);
  return page;
}

Result<ServerVersion> ParseServerVersion(std::string_view body, std::string_view product_header) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("names no version");
  const Value* nodes = Find(&answer, "nodes");
  if (nodes == nullptr || !nodes->IsObject() || nodes->MemberCount() == 0)
    return NotUsable("names no version");
  const Value* node = &nodes->MemberBegin()->value;
  ServerVersion server;
  server.version = StringOf(Find(node, "version"));
  if (server.version.empty()) return NotUsable("names no version");
  server.cluster = StringOf(Find(&answer, "cluster_name"));
  const bool elastic = product_header == "Elasticsearch" || Find(node, "build_flavor") != nullptr;
  server.product = elastic ? Product::kElasticsearch : Product::kOpenSearch;
  return server;
}

Result<ClusterHealth> ParseClusterHealth(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("is not a cluster's health");
  ClusterHealth health{.cluster = StringOf(Find(&answer, "cluster_name")),
                       .status = StringOf(Find(&answer, "status"))};
  if (health.status.empty()) return NotUsable("is not a cluster's health");
  return health;
}

}  // namespace polyglot::core
