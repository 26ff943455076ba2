#include "pg/document/type_encoder.h"

#include <string_view>

#include "core/json_writer.h"
#include "pg/document/key_codec.h"
#include "pg/document/scalar_encoders.h"
#include "pg/prelude.h"

namespace polyglot::pg {
namespace {

void EncodeJsonbScalar(const JsonbValue& value, std::string* out) {
  switch (value.type) {
    case jbvString:
      EncodeText(value.val.string.val, value.val.string.len, out);
      break;
    case jbvNumeric:
      core::AppendJsonDecimal(
          DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric))),
          out);
      break;
    case jbvBool:
      out->append(value.val.boolean ? "true" : "false");
      break;
    default:
      out->append("null", 4);
  }
}

void EncodeJsonbDatum(TypeEncoder*, Datum value, std::string* out) {
  EncodeJsonb(DatumGetJsonbP(value), out);
}

// Through jsonb: text that only json takes (lone surrogates, \u0000) must not reach a server.
void EncodeJson(TypeEncoder*, Datum value, std::string* out) {
  CheckDocumentEnd(out->size() + toast_raw_datum_size(value) - VARHDRSZ);
  Datum source = CStringGetDatum(TextDatumGetCString(value));
  EncodeJsonb(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, source)), out);
}

// Goes through the elements of an array in storage order. Not deconstruct_array, which needs nine
// bytes for each element of, say, boolean[].
class Elements {
 public:
  Elements(const TypeEncoder* self, const ArrayType* array)
      : self_(self), next_(ARR_DATA_PTR(array)), nulls_(ARR_NULLBITMAP(array)) {}

  Datum Next(bool* null) {
    *null = nulls_ != nullptr && (*nulls_ & mask_) == 0;
    Advance();
    if (*null) return 0;
    const Datum value = fetch_att(next_, self_->element_by_value, self_->element_length);
    next_ = att_addlength_pointer(next_, self_->element_length, next_);
    next_ = reinterpret_cast<char*>(att_align_nominal(next_, self_->element_align));
    return value;
  }

 private:
  void Advance() {
    mask_ <<= 1;
    if (mask_ != 0x100) return;
    mask_ = 1;
    if (nulls_ != nullptr) ++nulls_;
  }

  const TypeEncoder* self_;
  char* next_;
  const bits8* nulls_;
  int mask_ = 1;
};

// One dimension of an array, element after element.
void AppendDimension(TypeEncoder* self, const ArrayType* array, int dimension, Elements* elements,
                     std::string* out) {
  const int length = ARR_DIMS(array)[dimension];
  const bool innermost = dimension + 1 == ARR_NDIM(array);
  out->push_back('[');
  for (int i = 0; i < length; ++i) {
    if (i > 0) out->push_back(',');
    if (!innermost) {
      AppendDimension(self, array, dimension + 1, elements, out);
      continue;
    }
    bool null;
    const Datum value = elements->Next(&null);
    EncodeValue(self->element, value, null, out);
  }
  out->push_back(']');
}

void EncodeArray(TypeEncoder* self, Datum value, std::string* out) {
  ArrayType* array = DatumGetArrayTypeP(value);
  if (ARR_NDIM(array) == 0) {
    out->append("[]", 2);
    return;
  }
  Elements elements(self, array);
  AppendDimension(self, array, 0, &elements, out);
}

// The fields of a composite, when it is met first and after its type was changed.
void MakeFields(TypeEncoder* self, TupleDesc shape, uint64 identifier) {
  check_stack_depth();
  if (self->shape_memory == nullptr)
    self->shape_memory =
        AllocSetContextCreate(self->memory, "polyglot composite", ALLOCSET_SMALL_SIZES);
  self->shape = 0;
  MemoryContextReset(self->shape_memory);
  self->fields = static_cast<FieldEncoder*>(
      MemoryContextAllocZero(self->shape_memory, sizeof(FieldEncoder) * (shape->natts + 1)));
  self->field_count = 0;
  for (int i = 0; i < shape->natts; ++i) {
    Form_pg_attribute att = TupleDescAttr(shape, i);
    if (att->attisdropped) continue;
    FieldEncoder* field = &self->fields[self->field_count++];
    field->column = i;
    field->prefix =
        MakeFieldPrefix(NameStr(att->attname), self->shape_memory, &field->prefix_length);
    field->type = MakeTypeEncoder(att->atttypid, att->atttypmod, self->shape_memory);
  }
  self->shape = identifier;
}

void EncodeComposite(TypeEncoder* self, Datum value, std::string* out) {
  HeapTupleHeader header = DatumGetHeapTupleHeader(value);
  const Oid type = HeapTupleHeaderGetTypeId(header);
  const int32 typmod = HeapTupleHeaderGetTypMod(header);
  TupleDesc shape = lookup_rowtype_tupdesc(type, typmod);
  const uint64 identifier = assign_record_type_identifier(type, typmod);
  if (self->shape != identifier) MakeFields(self, shape, identifier);
  HeapTupleData tuple{};
  tuple.t_len = HeapTupleHeaderGetDatumLength(header);
  tuple.t_data = header;
  auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * shape->natts + 1));
  auto* nulls = static_cast<bool*>(palloc(sizeof(bool) * shape->natts + 1));
  heap_deform_tuple(&tuple, shape, values, nulls);
  ReleaseTupleDesc(shape);
  out->push_back('{');
  for (int i = 0; i < self->field_count; ++i) {
    const FieldEncoder& field = self->fields[i];
    if (i > 0) out->push_back(',');
    out->append(field.prefix, field.prefix_length);
    EncodeValue(field.type, values[field.column], nulls[field.column], out);
  }
  out->push_back('}');
}

// An end of a range: left out when it is open, or when JSON has no word for its value (infinity).
void AppendBound(TypeEncoder* self, const RangeBound& bound, const char* name, std::string* out) {
  if (bound.infinite) return;
  const std::size_t before = out->size();
  if (out->back() != '{') out->push_back(',');
  out->append(name);
  const std::size_t begin = out->size();
  self->element->encode(self->element, bound.val, out);
  if (std::string_view(*out).substr(begin) == "null") out->resize(before);
}

void EncodeRange(TypeEncoder* self, Datum value, std::string* out) {
  RangeBound lower, upper;
  bool empty;
  range_deserialize(self->cache, DatumGetRangeTypeP(value), &lower, &upper, &empty);
  if (empty) {
    out->append("null", 4);
    return;
  }
  out->push_back('{');
  AppendBound(self, lower, lower.inclusive ? R"("gte":)" : R"("gt":)", out);
  AppendBound(self, upper, upper.inclusive ? R"("lte":)" : R"("lt":)", out);
  out->push_back('}');
}

void EncodeMultirange(TypeEncoder* self, Datum value, std::string* out) {
  int32 count;
  RangeType** ranges;
  multirange_deserialize(self->cache->rngtype, DatumGetMultirangeTypeP(value), &count, &ranges);
  out->push_back('[');
  for (int32 i = 0; i < count; ++i) {
    if (i > 0) out->push_back(',');
    EncodeValue(self->element, RangeTypePGetDatum(ranges[i]), false, out);
  }
  out->push_back(']');
}

// GeoJSON is WGS 84 by definition; a geometry without SRID is taken as it is.
void EncodeGeometry(TypeEncoder* self, Datum value, std::string* out) {
  constexpr int32 kWgs84 = 4326;
  if (self->can_transform) {
    const int32 srid = DatumGetInt32(FunctionCall1(&self->srid, value));
    if (srid != 0 && srid != kWgs84)
      value = FunctionCall2(&self->transform, value, Int32GetDatum(kWgs84));
  }
  Datum geojson = FunctionCall3(&self->as_geojson, value, Int32GetDatum(15), Int32GetDatum(0));
  const char* json = TextDatumGetCString(geojson);
  // An empty geometry has a GeoJSON form that servers refuse.
  const bool empty = strstr(json, "\"coordinates\":[]") || strstr(json, "\"geometries\":[]");
  CheckDocumentEnd(out->size() + strlen(json));
  out->append(empty ? "null" : json);
}

void InitGeometry(TypeEncoder* encoder) {
  const Oid type = encoder->info.base;
  const Oid as_geojson[] = {type, INT4OID, INT4OID};
  const Oid transform[] = {type, INT4OID};
  const Oid f_json = FunctionBesideType(type, "st_asgeojson", 3, as_geojson);
  const Oid f_srid = FunctionBesideType(type, "st_srid", 1, &type);
  const Oid f_transform = FunctionBesideType(type, "st_transform", 2, transform);
  fmgr_info_cxt(f_json, &encoder->as_geojson, encoder->memory);
  encoder->can_transform = OidIsValid(f_srid) && OidIsValid(f_transform);
  if (!encoder->can_transform) return;
  fmgr_info_cxt(f_srid, &encoder->srid, encoder->memory);
  fmgr_info_cxt(f_transform, &encoder->transform, encoder->memory);
}

void InitElement(TypeEncoder* encoder) {
  encoder->element = MakeTypeEncoder(encoder->info.element, encoder->info.typmod, encoder->memory);
  get_typlenbyvalalign(encoder->info.element, &encoder->element_length, &encoder->element_by_value,
                       &encoder->element_align);
}

void InitNested(TypeEncoder* encoder) {
  const Oid base = encoder->info.base;
  switch (encoder->info.type_class) {
    case TypeClass::kJsonb:
      encoder->encode = EncodeJsonbDatum;
      break;
    case TypeClass::kJson:
      encoder->encode = EncodeJson;
      break;
    case TypeClass::kComposite:
      encoder->encode = EncodeComposite;
      break;
    case TypeClass::kArray:
      encoder->encode = EncodeArray;
      InitElement(encoder);
      break;
    case TypeClass::kRange:
      encoder->encode = EncodeRange;
      encoder->cache = lookup_type_cache(base, TYPECACHE_RANGE_INFO);
      encoder->element = MakeTypeEncoder(encoder->info.element, -1, encoder->memory);
      break;
    case TypeClass::kMultirange:
      encoder->encode = EncodeMultirange;
      encoder->cache = lookup_type_cache(base, TYPECACHE_MULTIRANGE_INFO);
      encoder->element = MakeTypeEncoder(encoder->info.element, -1, encoder->memory);
      break;
    default:
      encoder->encode = EncodeGeometry;
      InitGeometry(encoder);
  }
}

}  // namespace

void EncodeJsonb(Jsonb* value, std::string* out) {
  JsonbIterator* it = JsonbIteratorInit(&value->root);
  JsonbValue item;
  const bool scalar = JB_ROOT_IS_SCALAR(value);
  bool first = true;
  for (JsonbIteratorToken token; (token = JsonbIteratorNext(&it, &item, false)) != WJB_DONE;) {
    const bool closes = token == WJB_END_ARRAY || token == WJB_END_OBJECT;
    CheckDocumentEnd(out->size());
    if (!first && !closes) out->push_back(',');
    first = false;
    switch (token) {
      case WJB_BEGIN_ARRAY:
        if (!scalar) out->push_back('[');
        first = true;
        break;
      case WJB_BEGIN_OBJECT:
        out->push_back('{');
        first = true;
        break;
      case WJB_KEY:
        EncodeJsonbScalar(item, out);
        out->push_back(':');
        first = true;
        break;
      case WJB_END_ARRAY:
        if (!scalar) out->push_back(']');
        break;
      case WJB_END_OBJECT:
        out->push_back('}');
        break;
      default:
        EncodeJsonbScalar(item, out);
    }
  }
}

std::size_t LeastSize(const TypeEncoder& encoder, Datum value) {
  const auto* bytes = reinterpret_cast<const varlena*>(DatumGetPointer(value));
  if (!encoder.varlena || (!VARATT_IS_EXTERNAL(bytes) && !VARATT_IS_COMPRESSED(bytes))) return 0;
  const std::size_t raw = toast_raw_datum_size(value) - VARHDRSZ;
  switch (encoder.info.type_class) {
    case TypeClass::kText:
    case TypeClass::kXml:  // in another encoding a character takes four bytes at most, in UTF-8 two
      return GetDatabaseEncoding() == PG_UTF8 ? raw : raw / 2;
    case TypeClass::kBytea:
      return raw / 3 * 4;
    case TypeClass::kJson:
      return raw;
    case TypeClass::kPadded:  // without its blanks
    case TypeClass::kString:
    case TypeClass::kGeometry:
      return 0;
    default:  // The worst: `0,` is an element of a jsonb or an array that takes 12 or 8 bytes.
      return raw / 8;
  }
}

const char* MakeFieldPrefix(const char* name, MemoryContext memory, int* length) {
  const std::string_view utf8 = ToUtf8(name, strlen(name));
  // Written by hand: no std::string may be alive while palloc can raise an error. A column's name
  // holds no control characters but the odd one is escaped all the same.
  auto* prefix = static_cast<char*>(MemoryContextAlloc(memory, utf8.size() * 6 + 4));
  char* to = prefix;
  *to++ = '"';
  for (char c : utf8) {
    if (c == '"' || c == '\\') *to++ = '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      to += snprintf(to, 7, "\\u%04x", static_cast<unsigned char>(c));
    else
      *to++ = c;
  }
  *to++ = '"';
  *to++ = ':';
  *length = static_cast<int>(to - prefix);
  return prefix;
}

TypeEncoder* MakeTypeEncoder(Oid type, int32 typmod, MemoryContext memory) {
  check_stack_depth();
  auto* encoder = static_cast<TypeEncoder*>(MemoryContextAllocZero(memory, sizeof(TypeEncoder)));
  Oid output;
  bool varlena;
  encoder->memory = memory;
  encoder->info = ClassifyType(type, typmod);
  getTypeOutputInfo(encoder->info.base, &output, &varlena);
  encoder->varlena = varlena;
  fmgr_info_cxt(output, &encoder->output, memory);
  encoder->encode = ScalarEncoder(encoder->info.type_class);
  if (encoder->encode == nullptr) InitNested(encoder);
  return encoder;
}

}  // namespace polyglot::pg
