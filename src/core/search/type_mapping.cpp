#include "core/search/type_mapping.h"

#include "core/json_reader.h"
#include "core/json_tree.h"
#include "core/json_writer.h"

namespace polyglot::core {

namespace {

using Json = rapidjson::Value;
using Allocator = rapidjson::Document::AllocatorType;

const char* FixedDefinition(FieldKind kind) {
  switch (kind) {
    case FieldKind::kShort:
      return R"({"type":"short"})";
    case FieldKind::kInteger:
      return R"({"type":"integer"})";
    case FieldKind::kLong:
      return R"({"type":"long"})";
    case FieldKind::kFloat:
      return R"({"type":"float"})";
    case FieldKind::kDouble:
      return R"({"type":"double"})";
    case FieldKind::kDecimal:
      return R"({"type":"double","ignore_malformed":true})";
    case FieldKind::kBoolean:
      return R"({"type":"boolean"})";
    case FieldKind::kDate:
      return R"({"type":"date"})";
    case FieldKind::kBinary:
      return R"({"type":"binary"})";
    case FieldKind::kText:
      return R"({"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":8191}}})";
    case FieldKind::kInet:
      return R"({"type":"keyword","ignore_above":8191,)"
             R"("fields":{"ip":{"type":"ip","ignore_malformed":true}}})";
    case FieldKind::kCidr:
      return R"({"type":"keyword","ignore_above":8191,"fields":{"range":{"type":"ip_range"}}})";
    case FieldKind::kIntegerRange:
      return R"({"type":"integer_range"})";
    case FieldKind::kLongRange:
      return R"({"type":"long_range"})";
    case FieldKind::kDoubleRange:
      return R"({"type":"double_range"})";
    case FieldKind::kDateRange:
      return R"({"type":"date_range"})";
    case FieldKind::kUnsearched:
      return R"({"type":"object","enabled":false})";
    case FieldKind::kGeoPoint:
      return R"({"type":"geo_point"})";
    case FieldKind::kGeoShape:
      return R"({"type":"geo_shape"})";
    default:
      return R"({"type":"keyword","ignore_above":8191})";
  }
}

void AppendProperties(const FieldMapping* fields, std::size_t count, std::string* out);

void AppendDefinition(const FieldMapping& field, std::string* out) {
  if (field.kind == FieldKind::kObject) {
    out->push_back('{');
    AppendProperties(field.fields, field.field_count, out);
    out->push_back('}');
  } else if (field.kind == FieldKind::kDenseVector) {
    out->append(R"({"type":"dense_vector")");
    if (field.dimensions > 0) {
      out->append(R"(,"dims":)");
      AppendJsonInteger(field.dimensions, out);
    }
    out->push_back('}');
  } else {
    out->append(FixedDefinition(field.kind));
  }
}

void AppendProperties(const FieldMapping* fields, std::size_t count, std::string* out) {
  out->append(R"("properties":{)");
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out->push_back(',');
    AppendJsonString(fields[i].name, out);
    out->push_back(':');
    AppendDefinition(fields[i], out);
  }
  out->push_back('}');
}

bool Holds(const Json& object, const char* name) {
  return object.FindMember(name) != object.MemberEnd();
}

std::string_view TypeOf(const Json& definition) {
  const auto type = definition.FindMember("type");
  if (type != definition.MemberEnd() && type->value.IsString())
    return {type->value.GetString(), type->value.GetStringLength()};
  return Holds(definition, "properties") ? "object" : "";
}

// Takes from a derived definition what would not fit the type that the user wants instead.
void MakeRoomForType(Json* derived, const Json& user) {
  const std::string_view wanted = TypeOf(user);
  const std::string_view had = TypeOf(*derived);
  if (wanted.empty() || !Holds(user, "type")) return;
  if (wanted == had) {
    if (wanted == "object" && !Holds(user, "enabled")) derived->RemoveMember("enabled");
    return;
  }
  const bool keeps_fields = wanted == "nested" && had == "object";
  for (auto member = derived->MemberBegin(); member != derived->MemberEnd();) {
    if (keeps_fields && member->name == "properties")
      ++member;
    else
      member = derived->EraseMember(member);
  }
}

// What the members of an object are: a mapping knows two kinds of name → definition tables.
enum class Level { kDefinition, kTable, kOther };

Level LevelBelow(Level level, const Json& name) {
  if (level == Level::kTable) return Level::kDefinition;
  if (level == Level::kDefinition && (name == "properties" || name == "fields"))
    return Level::kTable;
  return Level::kOther;
}

void Merge(Json* derived, const Json& user, Level level, Allocator& allocator) {
  for (const auto& member : user.GetObject()) {
    const auto old = derived->FindMember(member.name);
    if (member.value.IsNull()) {
      if (old != derived->MemberEnd()) derived->EraseMember(old);
    } else if (old == derived->MemberEnd()) {
      derived->AddMember(Json(member.name, allocator), Json(member.value, allocator), allocator);
    } else if (old->value.IsObject() && member.value.IsObject()) {
      const Level below = LevelBelow(level, member.name);
      if (below == Level::kDefinition) MakeRoomForType(&old->value, member.value);
      Merge(&old->value, member.value, below, allocator);
    } else {
      old->value.CopyFrom(member.value, allocator);
    }
  }
}

}  // namespace

std::string DerivedMapping(const FieldMapping* fields, std::size_t count) {
  std::string out = R"({"dynamic":false,"date_detection":false,)";
  AppendProperties(fields, count, &out);
  out.push_back('}');
  return out;
}

std::string UnknownMapping() { return R"({"date_detection":false})"; }

Result<std::string> MergeMapping(std::string_view derived, std::string_view user) {
  rapidjson::Document base, over;
  base.Parse<kTreeFlags>(derived.data(), derived.size());
  over.Parse<kForeignFlags>(user.data(), user.size());
  if (base.HasParseError() || !base.IsObject())
    return Error{"derived mapping is not an object", ""};
  if (over.HasParseError() || !over.IsObject())
    return Error{"mapping must be a JSON object",
                 "Give what stands below \"mappings\" of an index, such as "
                 "'{\"properties\": {\"name\": {\"type\": \"text\"}}}'."};
  Merge(&base, over, Level::kDefinition, base.GetAllocator());
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  base.Accept(writer);
  return std::string(buffer.GetString(), buffer.GetSize());
}

}  // namespace polyglot::core
