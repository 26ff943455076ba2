#include "core/lease.h"

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

constexpr std::size_t kNameBytes = 512;

Error NotUsable() { return {.message = "answer of the search server holds no lease", .hint = {}}; }

const Value* Find(const Value* object, const char* name) {
  if (object == nullptr || !object->IsObject()) return nullptr;
  const auto member = object->FindMember(name);
  return member == object->MemberEnd() ? nullptr : &member->value;
}

std::string TextOf(const Value& object, const char* name) {
  const Value* value = Find(&object, name);
  if (value == nullptr || !value->IsString()) return {};
  return SanitiseText({value->GetString(), value->GetStringLength()}, kNameBytes);
}

// Numbers are kept as text: other readers of the document round what is over 2^53.
template <typename Number>
Number NumberOf(const Value& object, const char* name) {
  const std::string text = TextOf(object, name);
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
  record.home = TextOf(source, "home");
  record.incarnation = TextOf(source, "incarnation");
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

void PutText(Writer* writer, const char* name, const std::string& text) {
  writer->Key(name);
  writer->String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

// `_bulk` takes the conditions inside of the action.
void PutAction(Writer* writer, const LeaseWrite& write) {
  writer->StartObject();
  writer->Key(write.body.empty() ? "delete" : "index");
  writer->StartObject();
  PutText(writer, "_id", write.name);
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

// Up to where the owner of the lease and we have the same history.
std::uint64_t CommonHistory(const LeaseQuestion& q) {
  const std::uint32_t timeline = q.found->record.timeline;
  if (timeline == q.now.timeline) return q.flushed;
  for (const TimelineEnd& end : q.history)
    if (end.timeline == timeline) return end.position;
  return 0;
}

// Nobody else writes. May he have written what our table does not know?
LeaseJudgement Take(const LeaseQuestion& q) {
  const LeaseRecord& lease = q.found->record;
  LeaseJudgement judgement;
  judgement.doubt = !SameSync(lease, q.now) || lease.position > CommonHistory(q) ||
                    (!lease.released && (lease.home.empty() || lease.home != q.now.home));
  judgement.raise =
      judgement.doubt || lease.timeline != q.now.timeline || lease.epoch > q.now.epoch;
  return judgement;
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
  PutText(&writer, "system_identifier", std::to_string(record.system_identifier));
  PutText(&writer, "database", std::to_string(record.database));
  PutText(&writer, "sync", std::to_string(record.sync));
  PutText(&writer, "timeline", std::to_string(record.timeline));
  PutText(&writer, "home", record.home);
  PutText(&writer, "incarnation", record.incarnation);
  PutText(&writer, "epoch", std::to_string(record.epoch));
  PutText(&writer, "position", std::to_string(record.position));
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
  if (!ParseObject(body, &answer)) return NotUsable();
  const Value* found = Find(&answer, "found");
  if (found == nullptr || !found->IsBool()) return NotUsable();
  if (!found->GetBool()) return std::optional<FoundLease>();
  FoundLease lease;
  const Value* source = Find(&answer, "_source");
  if (!ReadPlace(answer, &lease.seq_no, &lease.primary_term)) return NotUsable();
  if (source != nullptr) lease.record = RecordOf(*source);
  return std::optional<FoundLease>(std::move(lease));
}

Result<std::pair<std::int64_t, std::int64_t>> ParseLeaseWritten(std::string_view body) {
  Document answer;
  std::pair<std::int64_t, std::int64_t> place;
  if (!ParseObject(body, &answer) || !ReadPlace(answer, &place.first, &place.second))
    return NotUsable();
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
  if (!ParseObject(body, &answer)) return NotUsable();
  const Value* items = Find(&answer, "items");
  if (items == nullptr || !items->IsArray()) return NotUsable();
  std::vector<LeaseItem> out;
  for (const Value& entry : items->GetArray()) out.push_back(ItemOf(entry));
  return out;
}

bool SameSync(const LeaseRecord& one, const LeaseRecord& other) {
  return one.system_identifier == other.system_identifier && one.database == other.database &&
         one.sync == other.sync;
}

bool IsOwnLease(const LeaseRecord& lease, const LeaseRecord& now) {
  return SameSync(lease, now) && lease.incarnation == now.incarnation;
}

void LeaseWatch::Look(const FoundLease& found, Time now) {
  const bool moved =
      last_ && (last_->seq_no != found.seq_no || last_->primary_term != found.primary_term);
  if (!last_) {
    since_ = now;
    renewals_ = 0;
  }
  if (!last_ || moved || now - looked_at_ >= kLeaseRenewal) unchanged_since_ = now;
  renewals_ += moved ? 1 : 0;
  looked_at_ = now;
  last_ = found;
}

LeaseJudgement JudgeLease(const LeaseQuestion& q) {
  if (!q.found) return {};
  const LeaseRecord& lease = q.found->record;
  if (IsOwnLease(lease, q.now)) return {.raise = lease.epoch > q.now.epoch};
  if (q.sibling) return {.verdict = LeaseVerdict::kContested};
  if (q.adopt) return {.raise = true, .doubt = true};
  if (q.abandoned) return {};
  if (lease.incarnation.empty() || lease.released || q.unchanged >= kLeaseWatch) return Take(q);
  if (q.watched >= kLeasePatience && q.renewals >= kLeaseRenewals)
    return {.verdict = LeaseVerdict::kContested};
  return {.verdict = LeaseVerdict::kWatch};
}

}  // namespace polyglot::core
