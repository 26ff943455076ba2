#include "core/search/point_in_time.h"

#include <charconv>

#include "core/search/answer.h"
#include "core/search/server_info.h"

namespace polyglot::core {
namespace {

using json::Document;
using json::Find;
using json::Put;
using json::PutKey;
using json::PutPair;
using json::StringBuffer;
using json::Text;
using json::Value;
using json::Writer;

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

}  // namespace

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
  // Not NameOf: the id of a search over many shards is long, and cut it would be worthless.
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

}  // namespace polyglot::core
