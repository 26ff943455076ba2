#include <string>

#include "core/search/type_mapping.h"
#include "pg/document/key_codec.h"
#include "pg/document/row_reader.h"
#include "pg/document/type_class.h"
#include "pg/prelude.h"

namespace polyglot::pg {

namespace {

struct Fields {
  core::FieldMapping* field;
  size_t count;
};

void AddColumn(Fields* fields, Form_pg_attribute att) {
  const char* name = NameStr(att->attname);
  const std::string_view utf8 = ToUtf8(name, strlen(name));
  fields->field[fields->count++] =
      FieldOfType(pnstrdup(utf8.data(), utf8.size()), att->atttypid, att->atttypmod);
}

void AddNamed(Fields* fields, Oid relation, const char* name) {
  HeapTuple tuple = SearchSysCacheAttName(relation, name);
  if (!HeapTupleIsValid(tuple))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                    errmsg("column \"%s\" of relation \"%s\" does not exist", name,
                           get_rel_name(relation))));
  AddColumn(fields, reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple)));
  ReleaseSysCache(tuple);
}

void AddNumbered(Fields* fields, Oid relation, int number) {
  HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(number));
  if (!HeapTupleIsValid(tuple)) return;
  auto* att = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
  if (!att->attisdropped) AddColumn(fields, att);
  ReleaseSysCache(tuple);
}

int ColumnsOf(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("relation with OID %u does not exist", relation)));
  const int natts = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relnatts;
  ReleaseSysCache(tuple);
  return natts;
}

// From the catalogs, without a lock: a worker that starts must not wait for who changes one table.
Fields FieldsOf(Oid relation, int column_count, char** columns) {
  const int natts = ColumnsOf(relation);
  const int most = Max(natts, column_count) + 1;
  Fields fields{static_cast<core::FieldMapping*>(palloc0(sizeof(core::FieldMapping) * most)), 0};
  for (int i = 0; i < column_count; ++i) AddNamed(&fields, relation, columns[i]);
  for (int i = 1; column_count == 0 && i <= natts; ++i) AddNumbered(&fields, relation, i);
  return fields;
}

// What the C++ below leaves behind for the code that may ereport.
struct Outcome {
  char* json;  // palloc'd; nullptr: failed
  char message[256];
  char hint[256];
};

char* CopyJson(const std::string& json) {
  auto* copy = static_cast<char*>(
      MemoryContextAllocExtended(CurrentMemoryContext, json.size() + 1, MCXT_ALLOC_NO_OOM));
  if (copy != nullptr) memcpy(copy, json.c_str(), json.size() + 1);
  return copy;
}

void Write(const Fields* fields, const char* user_mapping, Outcome* outcome) noexcept {
  try {
    std::string json =
        fields ? core::DerivedMapping(fields->field, fields->count) : core::UnknownMapping();
    if (user_mapping != nullptr) {
      core::Result<std::string> merged = core::MergeMapping(json, user_mapping);
      if (!merged.ok()) {
        strlcpy(outcome->message, merged.error().message.c_str(), sizeof outcome->message);
        strlcpy(outcome->hint, merged.error().hint.c_str(), sizeof outcome->hint);
        return;
      }
      json = std::move(merged.value());
    }
    outcome->json = CopyJson(json);
  } catch (const std::exception&) {
    outcome->json = nullptr;
  }
}

}  // namespace

char* DeriveMapping(Oid source, int column_count, char** columns, const char* user_mapping,
                    bool has_document_expression) {
  Fields fields{};
  Outcome outcome{};
  if (!has_document_expression) fields = FieldsOf(source, column_count, columns);
  if (user_mapping != nullptr) {
    const std::string_view utf8 = ToUtf8(user_mapping, strlen(user_mapping));
    user_mapping = pnstrdup(utf8.data(), utf8.size());
  }
  Write(has_document_expression ? nullptr : &fields, user_mapping, &outcome);
  if (outcome.json != nullptr) return outcome.json;
  if (outcome.message[0] == '\0')
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", outcome.message),
                  outcome.hint[0] ? errhint("%s", outcome.hint) : 0));
  pg_unreachable();
}

}  // namespace polyglot::pg
