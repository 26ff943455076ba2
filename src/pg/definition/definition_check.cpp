// JSON arguments and options of a sync.

#include "core/search/index_definition.h"
#include "pg/definition/definition_checks.h"
#include "pg/document/document_limit.h"

namespace polyglot::pg {

namespace {

bool IsBoolean(const JsonbValue* value) { return value->type == jbvBool; }

void CheckRoles(const JsonbValue* value) {
  bool good = value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data);
  JsonbIterator* iterator = good ? JsonbIteratorInit(value->val.binary.data) : nullptr;
  JsonbValue role;
  JsonbIteratorToken token;
  while (good && (token = JsonbIteratorNext(&iterator, &role, true)) != WJB_DONE)
    if (token == WJB_ELEM) good = role.type == jbvString;
  if (!good)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("option \"publishers\" must be an array of role names")));
}

// At most every second: the worker would do nothing else.
void CheckReconcile(const JsonbValue* value) {
  if (value->type == jbvString) {
    char* text = pnstrdup(value->val.string.val, value->val.string.len);
    Datum interval = DirectFunctionCall3(interval_in, CStringGetDatum(text),
                                         ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
    Datum second = DirectFunctionCall3(interval_in, CStringGetDatum("1 second"),
                                       ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
    if (DatumGetBool(DirectFunctionCall2(interval_ge, interval, second))) return;
  }
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("option \"reconcile\" must be an interval of at least one second"),
                  errhint("For example {\"reconcile\": \"1 hour\"}.")));
}

void CheckBackfillRate(const JsonbValue* value) {
  constexpr int kMost = 1000000000;
  if (value->type == jbvNumeric) {
    Datum number = NumericGetDatum(value->val.numeric);
    const auto within = [number](PGFunction compare, int bound) {
      return DatumGetBool(DirectFunctionCall2(
          compare, number, DirectFunctionCall1(int4_numeric, Int32GetDatum(bound))));
    };
    if (within(numeric_ge, 1) && within(numeric_le, kMost) &&
        DatumGetBool(
            DirectFunctionCall2(numeric_eq, number, DirectFunctionCall1(numeric_floor, number))))
      return;
  }
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("option \"backfill_rate\" must be a whole number of rows per second"),
                  errhint("From 1 to %d; without the option there is no limit.", kMost)));
}

void CheckOneOption(const char* name, const JsonbValue* value, bool manage_index) {
  if (strcmp(name, "publishers") == 0) return CheckRoles(value);
  static const char* const later[] = {"on_slot_loss", "max_retained_wal", "origin"};
  for (const char* known : later)
    if (strcmp(known, name) == 0)
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("option \"%s\" is not supported by this version", name),
                      errhint("Leave it out.")));
  if (strcmp(name, "reconcile") == 0) return CheckReconcile(value);
  if (strcmp(name, "backfill_rate") == 0) return CheckBackfillRate(value);
  if (strcmp(name, "max_document_bytes") == 0) return CheckMaxDocumentBytes(value);
  if (strcmp(name, "replace_index") != 0)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown option \"%s\"", name),
                    errhint("Valid options are: reconcile, backfill_rate, max_document_bytes, "
                            "replace_index, publishers.")));
  if (!IsBoolean(value))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("option \"%s\" must be true or false", name)));
  if (value->val.boolean && !manage_index)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("option \"%s\" contradicts manage_index => false", name),
                    errhint("An index that polyglot_sync does not manage is never replaced.")));
}

// What the C++ below leaves behind for the code that may ereport.
struct Shape {
  char wrong[512];  // "": nothing
  char hint[256];
};

void CopyText(const std::string& text, char* to, int size) {
  const int length = static_cast<int>(text.size());
  strlcpy(to, text.c_str(), pg_mbcliplen(text.c_str(), length, size - 1) + 1);
}

Shape ShapeOf(std::optional<core::Error> (*check)(std::string_view), const char* json) noexcept {
  Shape shape{};
  try {
    if (const auto error = check(json)) {
      CopyText(error->message, shape.wrong, sizeof shape.wrong);
      CopyText(error->hint, shape.hint, sizeof shape.hint);
    }
  } catch (const std::exception&) {
    strlcpy(shape.wrong, "out of memory", sizeof shape.wrong);
  }
  return shape;
}

void RaiseShape(const Shape& shape) {
  if (shape.wrong[0] == '\0') return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", shape.wrong),
                  shape.hint[0] ? errhint("%s", shape.hint) : 0));
}

Jsonb* ParseJson(const char* json) {
  return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

bool HasReconcile(const char* options) {
  JsonbValue value;
  if (!options) return false;
  CheckJsonObject(options, "options");
  return getKeyJsonValueFromContainer(&ParseJson(options)->root, "reconcile", 9, &value) != nullptr;
}

}  // namespace

void CheckPublishers(const char* options, bool published) {
  if (!options || published) return;
  if (getKeyJsonValueFromContainer(&ParseJson(options)->root, "publishers", 10, nullptr))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("option \"publishers\" needs a sync with source => NULL")));
}

void CheckEncoding() {
  const int encoding = GetDatabaseEncoding();
  if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII) return;
  if (OidIsValid(FindDefaultConversionProc(encoding, PG_UTF8)) &&
      OidIsValid(FindDefaultConversionProc(PG_UTF8, encoding)))
    return;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("there is no conversion between the encoding %s of this database and UTF8",
                         pg_encoding_to_char(encoding)),
                  errhint("Documents are sent in UTF8: create the database with another "
                          "encoding.")));
}

void CheckJsonObject(const char* json, const char* what) {
  if (!json) return;
  if (!JB_ROOT_IS_OBJECT(ParseJson(json)))
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must be a JSON object", what)));
  if (strcmp(what, "mapping") == 0) RaiseShape(ShapeOf(core::CheckMappingShape, json));
  if (strcmp(what, "settings") == 0) RaiseShape(ShapeOf(core::CheckSettingsShape, json));
}

void CheckOptions(const char* options, bool manage_index, bool captured) {
  if (!captured && !HasReconcile(options))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("capture => 'none' needs the option \"reconcile\""),
                    errhint("It says how often index and source are compared, for example "
                            "{\"reconcile\": \"1 hour\"}.")));
  if (!options) return;
  CheckJsonObject(options, "options");
  JsonbIterator* iterator = JsonbIteratorInit(&ParseJson(options)->root);
  JsonbValue value;
  JsonbIteratorToken token;
  char* name = nullptr;
  while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE) {
    if (token == WJB_KEY) name = pnstrdup(value.val.string.val, value.val.string.len);
    if (token == WJB_VALUE) CheckOneOption(name, &value, manage_index);
  }
}

}  // namespace polyglot::pg
