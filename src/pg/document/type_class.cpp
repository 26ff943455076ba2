#include "pg/document/type_class.h"

#include "pg/document/key_codec.h"
#include "pg/prelude.h"

namespace polyglot::pg {

namespace {

using core::FieldKind;
using core::FieldMapping;

bool ClassifyBuiltIn(Oid type, TypeClass* result) {
  switch (type) {
    case BOOLOID:
      *result = TypeClass::kBool;
      return true;
    case INT2OID:
      *result = TypeClass::kInt2;
      return true;
    case INT4OID:
      *result = TypeClass::kInt4;
      return true;
    case INT8OID:
      *result = TypeClass::kInt8;
      return true;
    case OIDOID:
      *result = TypeClass::kOid;
      return true;
    case FLOAT4OID:
      *result = TypeClass::kFloat4;
      return true;
    case FLOAT8OID:
      *result = TypeClass::kFloat8;
      return true;
    case NUMERICOID:
      *result = TypeClass::kNumeric;
      return true;
    case TEXTOID:
    case VARCHAROID:
      *result = TypeClass::kText;
      return true;
    case XMLOID:
      *result = TypeClass::kXml;
      return true;
    case BPCHAROID:
      *result = TypeClass::kPadded;
      return true;
    case UUIDOID:
      *result = TypeClass::kUuid;
      return true;
    case INETOID:
      *result = TypeClass::kInet;
      return true;
    case CIDROID:
      *result = TypeClass::kCidr;
      return true;
    case DATEOID:
      *result = TypeClass::kDate;
      return true;
    case TIMESTAMPOID:
      *result = TypeClass::kTimestamp;
      return true;
    case TIMESTAMPTZOID:
      *result = TypeClass::kTimestamptz;
      return true;
    case BYTEAOID:
      *result = TypeClass::kBytea;
      return true;
    case JSONOID:
      *result = TypeClass::kJson;
      return true;
    case JSONBOID:
      *result = TypeClass::kJsonb;
      return true;
    default:
      return false;
  }
}

// Types of extensions are known by what they are called and what they can do: their oids and
// schemas differ from database to database.
TypeClass ClassifyExtensionType(Oid type) {
  Oid output;
  bool varlena;
  FmgrInfo function;
  getTypeOutputInfo(type, &output, &varlena);
  fmgr_info(output, &function);
  if (function.fn_addr == textout) return TypeClass::kText;
  if (get_typtype(type) != TYPTYPE_BASE) return TypeClass::kString;
  HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
  if (!HeapTupleIsValid(tuple)) return TypeClass::kString;
  char* name = pstrdup(NameStr(((Form_pg_type)GETSTRUCT(tuple))->typname));
  ReleaseSysCache(tuple);
  if (strcmp(name, "vector") == 0 || strcmp(name, "halfvec") == 0) return TypeClass::kVector;
  if (strcmp(name, "geometry") != 0 && strcmp(name, "geography") != 0) return TypeClass::kString;
  const Oid arguments[] = {type, INT4OID, INT4OID};
  return OidIsValid(FunctionBesideType(type, "st_asgeojson", 3, arguments)) ? TypeClass::kGeometry
                                                                            : TypeClass::kString;
}

FieldKind RangeKind(Oid subtype) {
  switch (getBaseType(subtype)) {
    case INT2OID:
    case INT4OID:
      return FieldKind::kIntegerRange;
    case INT8OID:
      return FieldKind::kLongRange;
    case NUMERICOID:
    case FLOAT4OID:
    case FLOAT8OID:
      return FieldKind::kDoubleRange;
    case DATEOID:
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
      return FieldKind::kDateRange;
    default:
      return FieldKind::kUnsearched;  // servers know no range of texts
  }
}

FieldKind NumericKind(int32 typmod) {
  if (typmod < static_cast<int32>(VARHDRSZ)) return FieldKind::kDecimal;
  const int32 packed = typmod - static_cast<int32>(VARHDRSZ);
  const int precision = (packed >> 16) & 0xffff;
  const int scale = ((packed & 0x7ff) ^ 1024) - 1024;
  return scale <= 0 && precision - scale <= 18 ? FieldKind::kLong : FieldKind::kDecimal;
}

// PostGIS keeps the kind of geometry in six bits of the type modifier; 1 is a point.
FieldKind GeometryKind(int32 typmod) {
  return typmod >= 0 && ((typmod >> 2) & 0x3f) == 1 ? FieldKind::kGeoPoint : FieldKind::kGeoShape;
}

FieldKind ScalarKind(const TypeInfo& info) {
  switch (info.type_class) {
    case TypeClass::kBool:
      return FieldKind::kBoolean;
    case TypeClass::kInt2:
      return FieldKind::kShort;
    case TypeClass::kInt4:
      return FieldKind::kInteger;
    case TypeClass::kInt8:
    case TypeClass::kOid:
      return FieldKind::kLong;
    case TypeClass::kFloat4:
      return FieldKind::kFloat;
    case TypeClass::kFloat8:
      return FieldKind::kDouble;
    case TypeClass::kNumeric:
      return NumericKind(info.typmod);
    case TypeClass::kText:
    case TypeClass::kXml:
      return FieldKind::kText;
    case TypeClass::kInet:
      return FieldKind::kInet;
    case TypeClass::kCidr:
      return FieldKind::kCidr;
    case TypeClass::kDate:
    case TypeClass::kTimestamp:
    case TypeClass::kTimestamptz:
      return FieldKind::kDate;
    case TypeClass::kBytea:
      return FieldKind::kBinary;
    case TypeClass::kJson:
    case TypeClass::kJsonb:
      return FieldKind::kUnsearched;
    case TypeClass::kRange:
      return RangeKind(info.element);
    case TypeClass::kGeometry:
      return GeometryKind(info.typmod);
    case TypeClass::kVector:
      return FieldKind::kDenseVector;
    default:
      return FieldKind::kKeyword;
  }
}

FieldMapping CompositeField(const char* name, const TypeInfo& info) {
  check_stack_depth();
  TupleDesc shape = lookup_rowtype_tupdesc(info.base, info.typmod);
  auto* fields = static_cast<FieldMapping*>(palloc0(sizeof(FieldMapping) * (shape->natts + 1)));
  FieldMapping field;
  field.name = name;
  field.kind = FieldKind::kObject;
  for (int i = 0; i < shape->natts; ++i) {
    Form_pg_attribute att = TupleDescAttr(shape, i);
    if (att->attisdropped) continue;
    const char* attname = NameStr(att->attname);
    const std::string_view utf8 = ToUtf8(attname, strlen(attname));
    fields[field.field_count++] =
        FieldOfType(pnstrdup(utf8.data(), utf8.size()), att->atttypid, att->atttypmod);
  }
  field.fields = fields;
  ReleaseTupleDesc(shape);
  return field;
}

}  // namespace

Oid FunctionBesideType(Oid type, const char* name, int argument_count, const Oid* arguments) {
  HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  const Oid schema = ((Form_pg_type)GETSTRUCT(tuple))->typnamespace;
  ReleaseSysCache(tuple);
  oidvector* types = buildoidvector(arguments, argument_count);
  return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
                         PointerGetDatum(types), ObjectIdGetDatum(schema));
}

TypeInfo ClassifyType(Oid type, int32 typmod) {
  TypeInfo info{TypeClass::kString, InvalidOid, typmod, InvalidOid};
  info.base = getBaseTypeAndTypmod(type, &info.typmod);
  if (ClassifyBuiltIn(info.base, &info.type_class)) return info;
  info.element = get_element_type(info.base);
  if (OidIsValid(info.element)) {
    info.type_class = TypeClass::kArray;
    return info;
  }
  switch (get_typtype(info.base)) {
    case TYPTYPE_COMPOSITE:
      info.type_class = TypeClass::kComposite;
      break;
    case TYPTYPE_RANGE:
      info.type_class = TypeClass::kRange;
      info.element = get_range_subtype(info.base);
      break;
    case TYPTYPE_MULTIRANGE:
      info.type_class = TypeClass::kMultirange;
      info.element = get_multirange_range(info.base);
      break;
    default:
      info.type_class = ClassifyExtensionType(info.base);
  }
  return info;
}

FieldMapping FieldOfType(const char* name, Oid type, int32 typmod) {
  const TypeInfo info = ClassifyType(type, typmod);
  // The modifier of an array is that of its elements.
  if (info.type_class == TypeClass::kArray) return FieldOfType(name, info.element, info.typmod);
  if (info.type_class == TypeClass::kMultirange) return FieldOfType(name, info.element, -1);
  if (info.type_class == TypeClass::kComposite) return CompositeField(name, info);
  FieldMapping field;
  field.name = name;
  field.kind = ScalarKind(info);
  if (field.kind == FieldKind::kDenseVector && info.typmod > 0) field.dimensions = info.typmod;
  return field;
}

}  // namespace polyglot::pg
