#include <string>

#include "core/type_mapping.h"
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

Form_pg_attribute FindColumn(Relation source, const char* name) {
  TupleDesc shape = RelationGetDescr(source);
  for (int i = 0; i < shape->natts; ++i) {
    Form_pg_attribute att = TupleDescAttr(shape, i);
    if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0) return att;
  }
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                  errmsg("column \"%s\" of relation \"%s\" does not exist", name,
                         RelationGetRelationName(source))));
  pg_unreachable();
}

Fields FieldsOf(Oid relation, int column_count, char** columns) {
  Relation source = relation_open(relation, AccessShareLock);
  TupleDesc shape = RelationGetDescr(source);
  const int most = Max(shape->natts, column_count) + 1;
  Fields fields{static_cast<core::FieldMapping*>(palloc0(sizeof(core::FieldMapping) * most)), 0};
  for (int i = 0; i < column_count; ++i) AddColumn(&fields, FindColumn(source, columns[i]));
  for (int i = 0; column_count == 0 && i < shape->natts; ++i)
    if (!TupleDescAttr(shape, i)->attisdropped) AddColumn(&fields, TupleDescAttr(shape, i));
  relation_close(source, AccessShareLock);
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
  Write(has_document_expression ? nullptr : &fields, user_mapping, &outcome);
  if (outcome.json != nullptr) return outcome.json;
  if (outcome.message[0] == '\0')
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", outcome.message),
                  outcome.hint[0] ? errhint("%s", outcome.hint) : 0));
  pg_unreachable();
}

}  // namespace polyglot::pg
