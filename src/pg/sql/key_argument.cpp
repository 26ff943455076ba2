#include "pg/sql/key_argument.h"

#include <initializer_list>
#include <string_view>
#include <vector>

#include "core/document_id.h"
#include "core/queue/queue_record.h"
#include "pg/document/key_codec.h"
#include "pg/prelude.h"

namespace polyglot::pg {

namespace {

struct KeyColumns {
  int count;
  KeyColumn column[INDEX_MAX_KEYS];
};

// One argument, whatever it came from.
struct Argument {
  Oid type;
  Datum value;
  bool null;
};

char* NamesOf(const KeyColumns& key) {
  StringInfoData names;
  initStringInfo(&names);
  for (int i = 0; i < key.count; ++i)
    appendStringInfo(&names, "%s%s %s", i > 0 ? ", " : "", quote_identifier(key.column[i].name),
                     format_type_be(key.column[i].type));
  return names.data;
}

[[noreturn]] void RefuseKey(const SyncRow& sync, const KeyColumns& key, const char* what) {
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s for sync \"%s\"", what, sync.name),
           errhint("Its key is (%s).", NamesOf(key))));
  pg_unreachable();
}

KeyColumns* LoadKeyColumns(const SyncRow& sync) {
  auto* key = static_cast<KeyColumns*>(palloc0(sizeof(KeyColumns)));
  Relation source = relation_open(sync.source, AccessShareLock);
  TupleDesc shape = RelationGetDescr(source);
  key->count = sync.key_count;
  for (int i = 0; i < key->count; ++i) {
    const AttrNumber attnum = sync.key[i];
    if (attnum < 1 || attnum > shape->natts || TupleDescAttr(shape, attnum - 1)->attisdropped)
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                      errmsg("a key column of sync \"%s\" does not exist", sync.name)));
    InitKeyColumn(&key->column[i], TupleDescAttr(shape, attnum - 1), CurrentMemoryContext);
  }
  relation_close(source, NoLock);
  return key;
}

bool IsTextual(Oid type) {
  char category;
  bool preferred;
  if (type == UNKNOWNOID) return true;
  get_type_category_preferred(type, &category, &preferred);
  return category == TYPCATEGORY_STRING;
}

Datum Convert(const SyncRow& sync, const KeyColumns& key, int i, const Argument& argument) {
  const KeyColumn& column = key.column[i];
  if (argument.null)
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("a key value for sync \"%s\" is null", sync.name),
                    errhint("Its key is (%s).", NamesOf(key))));
  const Oid base = getBaseType(argument.type);
  // A type modifier may change the text of a value (numeric(10,2), char(n)): only without one is
  // the datum right as it is.
  if (base == column.base_type && column.typmod == -1 && column.type == column.base_type)
    return argument.value;
  const Oid target = column.base_type;
  if (!IsTextual(argument.type) && !can_coerce_type(1, &base, &target, COERCION_ASSIGNMENT))
    RefuseKey(sync, key, psprintf("wrong type of key value: %s", format_type_be(argument.type)));
  char* text;
  if (argument.type == UNKNOWNOID) {
    text = DatumGetCString(argument.value);
  } else {
    Oid output;
    bool varlena;
    getTypeOutputInfo(argument.type, &output, &varlena);
    text = OidOutputFunctionCall(output, argument.value);
  }
  return ValueFromText(column, text);
}

// The header is the packed form of `columns`; laid out by hand, so that no object is alive.
void Pack(const KeyColumns& key, KeyArgument* out) {
  StringInfoData packed;
  initStringInfo(&packed);
  const auto count = static_cast<uint16>(key.count);
  appendBinaryStringInfo(&packed, reinterpret_cast<const char*>(&count), sizeof count);
  for (int i = 0; i < key.count; ++i) {
    const core::CapturedColumn column{key.column[i].attnum, key.column[i].stamp};
    appendBinaryStringInfo(&packed, reinterpret_cast<const char*>(&column.attnum),
                           sizeof column.attnum);
    appendBinaryStringInfo(&packed, reinterpret_cast<const char*>(&column.type),
                           sizeof column.type);
  }
  for (int i = 0; i < key.count; ++i) {
    char scratch[8];
    const std::string_view bytes = ValueBytes(key.column[i], out->values[i], scratch);
    const auto length = static_cast<uint16>(bytes.size());
    appendBinaryStringInfo(&packed, reinterpret_cast<const char*>(&length), sizeof length);
    appendBinaryStringInfo(&packed, bytes.data(), static_cast<int>(bytes.size()));
  }
  out->packed = packed.data;
  out->packed_length = packed.len;
}

int FindKeyColumn(const KeyColumns& key, const char* name, int length) {
  for (int i = 0; i < key.count; ++i)
    if (strlen(key.column[i].name) == static_cast<size_t>(length) &&
        strncmp(key.column[i].name, name, length) == 0)
      return i;
  return -1;
}

// The text of a scalar in a jsonb object; nullptr for null.
char* ScalarText(const JsonbValue& value) {
  switch (value.type) {
    case jbvString:
      return pnstrdup(value.val.string.val, value.val.string.len);
    case jbvNumeric:
      return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
    case jbvBool:
      return pstrdup(value.val.boolean ? "true" : "false");
    case jbvBinary:
      return JsonbToCString(nullptr, value.val.binary.data, value.val.binary.len);
    default:
      return nullptr;
  }
}

void ParseObject(Jsonb* object, const SyncRow& sync, const KeyColumns& key, KeyArgument* out) {
  bool given[INDEX_MAX_KEYS] = {};
  JsonbIterator* it = JsonbIteratorInit(&object->root);
  JsonbValue item;
  int column = -1;
  for (JsonbIteratorToken token; (token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE;) {
    if (token == WJB_KEY) {
      column = FindKeyColumn(key, item.val.string.val, item.val.string.len);
      if (column < 0)
        RefuseKey(sync, key,
                  psprintf("no key column \"%.*s\"", item.val.string.len, item.val.string.val));
    } else if (token == WJB_VALUE) {
      char* text = ScalarText(item);
      const Argument argument{UNKNOWNOID, CStringGetDatum(text), text == nullptr};
      out->values[column] = Convert(sync, key, column, argument);
      given[column] = true;
    }
  }
  for (int i = 0; i < key.count; ++i)
    if (!given[i])
      RefuseKey(sync, key, psprintf("no value for key column \"%s\"", key.column[i].name));
}

bool IsNamedColumns(const Argument& argument, const KeyColumns& key) {
  if (argument.null || argument.type != JSONBOID) return false;
  if (key.count == 1 && key.column[0].base_type == JSONBOID) return false;
  return JB_ROOT_IS_OBJECT(DatumGetJsonbP(argument.value));
}

int TakeArray(FunctionCallInfo fcinfo, int first, Argument** arguments) {
  if (PG_ARGISNULL(first)) return 0;
  ArrayType* array = PG_GETARG_ARRAYTYPE_P(first);
  const Oid type = ARR_ELEMTYPE(array);
  int16 length;
  bool by_value;
  char align;
  Datum* values;
  bool* nulls;
  int count;
  get_typlenbyvalalign(type, &length, &by_value, &align);
  deconstruct_array(array, type, length, by_value, align, &values, &nulls, &count);
  *arguments = static_cast<Argument*>(palloc(sizeof(Argument) * (count + 1)));
  for (int i = 0; i < count; ++i) (*arguments)[i] = Argument{type, values[i], nulls[i]};
  return count;
}

int TakeArguments(FunctionCallInfo fcinfo, int first, Argument** arguments) {
  if (get_fn_expr_variadic(fcinfo->flinfo)) return TakeArray(fcinfo, first, arguments);
  const int count = PG_NARGS() - first;
  *arguments = static_cast<Argument*>(palloc(sizeof(Argument) * (count + 1)));
  for (int i = 0; i < count; ++i)
    (*arguments)[i] = Argument{get_fn_expr_argtype(fcinfo->flinfo, first + i),
                               PG_GETARG_DATUM(first + i), PG_ARGISNULL(first + i)};
  return count;
}

// Splits the document id into palloc'd texts; the vector's memory is freed before any ereport.
bool SplitText(const char* text, int count, char** parts) noexcept {
  try {
    std::vector<std::string> texts;
    if (!core::SplitDocumentId(text, static_cast<std::size_t>(count), &texts)) return false;
    for (int i = 0; i < count; ++i) {
      parts[i] = static_cast<char*>(
          MemoryContextAllocExtended(CurrentMemoryContext, texts[i].size() + 1, MCXT_ALLOC_NO_OOM));
      if (parts[i] == nullptr) return false;
      memcpy(parts[i], texts[i].c_str(), texts[i].size() + 1);
    }
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

void ParseKeyArguments(FunctionCallInfo fcinfo, int first, const SyncRow& sync, KeyArgument* out) {
  Argument* arguments = nullptr;
  const int count = TakeArguments(fcinfo, first, &arguments);
  const KeyColumns& key = *LoadKeyColumns(sync);
  if (count == 1 && IsNamedColumns(arguments[0], key)) {
    ParseObject(DatumGetJsonbP(arguments[0].value), sync, key, out);
  } else {
    if (count != key.count) RefuseKey(sync, key, "wrong number of key values");
    for (int i = 0; i < count; ++i) out->values[i] = Convert(sync, key, i, arguments[i]);
  }
  Pack(key, out);
}

void ParseKeyText(const char* text, const SyncRow& sync, KeyArgument* out) {
  const KeyColumns& key = *LoadKeyColumns(sync);
  char* parts[INDEX_MAX_KEYS] = {};
  if (key.count == 1) {
    out->values[0] = ValueFromText(key.column[0], text);
  } else if (text[0] == '{') {
    Datum object = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
    ParseObject(DatumGetJsonbP(object), sync, key, out);
  } else {
    if (!SplitText(text, key.count, parts)) RefuseKey(sync, key, "wrong number of key values");
    for (int i = 0; i < key.count; ++i) out->values[i] = ValueFromText(key.column[i], parts[i]);
  }
  Pack(key, out);
}

}  // namespace polyglot::pg
