#include "core/search/lease_document.h"

#include <charconv>

#include "core/ownership/lease.h"
#include "core/search/answer.h"

namespace polyglot::core {
namespace {

using json::Document;
using json::Find;
using json::PutPair;
using json::StringBuffer;
using json::Value;
using json::Writer;

constexpr std::size_t kTextBytes = 512;

// Numbers are kept as text: other readers of the document round what is over 2^53.
template <typename Number>
Number NumberOf(const Value& object, const char* name) {
  const std::string text = json::TextOf(Find(&object, name), kTextBytes);
  Number number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? number : 0;
}

LeaseRecord RecordOf(const Value& source) {
  LeaseRecord record;
  record.system_identifier = NumberOf<std::uint64_t>(source, "system_identifier");
  record.database = NumberOf<std::uint32_t>(source, "database");
  record.sync = NumberOf<std::int32_t>(source, "sync");
  record.timeline = NumberOf<std::uint32_t>(source, "timeline");
  record.home = json::TextOf(Find(&source, "home"), kTextBytes);
  record.incarnation = json::TextOf(Find(&source, "incarnation"), kTextBytes);
  record.epoch = NumberOf<std::uint64_t>(source, "epoch");
  record.position = NumberOf<std::uint64_t>(source, "position");
  const Value* released = Find(&source, "released");
  record.released = released != nullptr && released->IsTrue();
  return record;
}

bool ReadPlace(const Value& answer, std::int64_t* seq_no, std::int64_t* primary_term) {
  const Value *seq = Find(&answer, "_seq_no"), *term = Find(&answer, "_primary_term");
  if (seq == nullptr || !seq->IsInt64() || term == nullptr || !term->IsInt64()) return false;
  *seq_no = seq->GetInt64();
  *primary_term = term->GetInt64();
  return true;
}

// `_bulk` takes the conditions inside of the action.
void PutAction(Writer* writer, const LeaseWrite& write) {
  writer->StartObject();
  writer->Key(write.body.empty() ? "delete" : "index");
  writer->StartObject();
  PutPair(writer, "_id", write.name);
  writer->Key("if_seq_no");
  writer->Int64(write.seq_no);
  writer->Key("if_primary_term");
  writer->Int64(write.primary_term);
  writer->EndObject();
  writer->EndObject();
}

LeaseItem ItemOf(const Value& entry) {
  LeaseItem item;
  if (!entry.IsObject() || entry.MemberCount() != 1) return item;
  const Value& answer = entry.MemberBegin()->value;
  const Value* status = Find(&answer, "status");
  if (status != nullptr && status->IsInt()) item.status = status->GetInt();
  if (!ReadPlace(answer, &item.seq_no, &item.primary_term) && item.status / 100 == 2)
    item.status = 0;
  return item;
}

}  // namespace

std::string LeasePath(std::string_view name) {
  return "/" + std::string(kLeaseIndex) + "/_doc/" + std::string(name);
}

std::string WriteLeasePath(std::string_view name, const FoundLease* found) {
  if (found == nullptr) return "/" + std::string(kLeaseIndex) + "/_create/" + std::string(name);
  // In the order of the alphabet: libcurl signs a query as it stands, AWS wants it sorted.
  return LeasePath(name) + "?if_primary_term=" + std::to_string(found->primary_term) +
         "&if_seq_no=" + std::to_string(found->seq_no);
}

std::string LeaseBody(const LeaseRecord& record) {
  StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  PutPair(&writer, "system_identifier", std::to_string(record.system_identifier));
  PutPair(&writer, "database", std::to_string(record.database));
  PutPair(&writer, "sync", std::to_string(record.sync));
  PutPair(&writer, "timeline", std::to_string(record.timeline));
  PutPair(&writer, "home", record.home);
  PutPair(&writer, "incarnation", record.incarnation);
  PutPair(&writer, "epoch", std::to_string(record.epoch));
  PutPair(&writer, "position", std::to_string(record.position));
  writer.Key("released");
  writer.Bool(record.released);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string LeaseIndexBody() {
  return R"({"settings":{"index.number_of_shards":1,"index.auto_expand_replicas":"0-1",)"
         R"("index.hidden":true},"mappings":{"dynamic":false}})";
}

Result<std::optional<FoundLease>> ParseLease(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("holds no lease");
  const Value* found = Find(&answer, "found");
  if (found == nullptr || !found->IsBool()) return NotUsable("holds no lease");
  if (!found->GetBool()) return std::optional<FoundLease>();
  FoundLease lease;
  const Value* source = Find(&answer, "_source");
  if (!ReadPlace(answer, &lease.seq_no, &lease.primary_term)) return NotUsable("holds no lease");
  if (source != nullptr) lease.record = RecordOf(*source);
  return std::optional<FoundLease>(std::move(lease));
}

Result<std::pair<std::int64_t, std::int64_t>> ParseLeaseWritten(std::string_view body) {
  Document answer;
  std::pair<std::int64_t, std::int64_t> place;
  if (!ParseObject(body, &answer) || !ReadPlace(answer, &place.first, &place.second))
    return NotUsable("holds no lease");
  return place;
}

std::string RenewBody(const std::vector<LeaseWrite>& writes) {
  std::string text;
  for (const LeaseWrite& write : writes) {
    StringBuffer buffer;
    Writer writer(buffer);
    PutAction(&writer, write);
    text.append(buffer.GetString(), buffer.GetSize()).push_back('\n');
    if (!write.body.empty()) text.append(write.body).push_back('\n');
  }
  return text;
}

Result<std::vector<LeaseItem>> ParseRenewed(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("holds no lease");
  const Value* items = Find(&answer, "items");
  if (items == nullptr || !items->IsArray()) return NotUsable("holds no lease");
  std::vector<LeaseItem> out;
  for (const Value& entry : items->GetArray()) out.push_back(ItemOf(entry));
  return out;
}

}  // namespace polyglot::core
