// polyglot.preview_document and preview_mapping: what a sync would send, without sending it.

#include "pg/catalog/sync_row.h"
#include "pg/document/row_reader.h"
#include "pg/guard.h"
#include "pg/prelude.h"
#include "pg/sql/key_argument.h"
#include "pg/sql/visibility.h"

namespace polyglot::pg {

namespace {

const SyncRow* OpenSync(FunctionCallInfo fcinfo) {
  const SyncRow* sync = LoadSyncOrError(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  CheckMaySeeRows(sync);
  return sync;
}

// The document as JSON text, palloc'd; nullptr: no row, or the filter leaves it out.
char* ReadDocument(const SyncRow& sync, const KeyArgument& key) {
  RowReader reader(sync);
  RowBatch batch;
  PgError error{};
  const std::string_view packed(key.packed, static_cast<std::size_t>(key.packed_length));
  // Not more than one: of a view several rows may have one key.
  if (reader.ReadKeys({packed}, 0, &batch, &error) != ReadStatus::kOk) throw error;
  if (!batch.failures.empty()) throw batch.failures.front().error;
  if (batch.rows.empty() || !batch.rows.front().passes) return nullptr;
  const std::string_view body = batch.Body(batch.rows.front());
  return Call([&] {
    const char* text = pg_any_to_server(pnstrdup(body.data(), body.size()),
                                        static_cast<int>(body.size()), PG_UTF8);
    return const_cast<char*>(text);
  });
}

Datum PreviewKey(FunctionCallInfo fcinfo, const SyncRow& sync, const KeyArgument& key) {
  char* json = Enter([&] { return ReadDocument(sync, key); });
  if (json == nullptr) PG_RETURN_NULL();
  return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

}  // namespace
}  // namespace polyglot::pg

extern "C" {

PG_FUNCTION_INFO_V1(polyglot_preview_document);
PG_FUNCTION_INFO_V1(polyglot_preview_document_text);
PG_FUNCTION_INFO_V1(polyglot_preview_mapping);

/// preview_document(sync text, VARIADIC key "any") returns jsonb
PGDLLEXPORT Datum polyglot_preview_document(PG_FUNCTION_ARGS) {
  if (PG_ARGISNULL(0)) PG_RETURN_NULL();
  polyglot::pg::KeyArgument key{};
  const polyglot::pg::SyncRow* sync = polyglot::pg::OpenSync(fcinfo);
  polyglot::pg::ParseKeyArguments(fcinfo, 1, *sync, &key);
  return polyglot::pg::PreviewKey(fcinfo, *sync, key);
}

/// preview_document(sync text, key text) returns jsonb
PGDLLEXPORT Datum polyglot_preview_document_text(PG_FUNCTION_ARGS) {
  polyglot::pg::KeyArgument key{};
  const polyglot::pg::SyncRow* sync = polyglot::pg::OpenSync(fcinfo);
  char* text_key = text_to_cstring(PG_GETARG_TEXT_PP(1));
  polyglot::pg::ParseKeyText(text_key, *sync, &key);
  return polyglot::pg::PreviewKey(fcinfo, *sync, key);
}

/// preview_mapping(source regclass) returns jsonb
PGDLLEXPORT Datum polyglot_preview_mapping(PG_FUNCTION_ARGS) {
  const Oid source = PG_GETARG_OID(0);
  const AclResult acl = pg_class_aclcheck(source, GetUserId(), ACL_SELECT);
  if (acl != ACLCHECK_OK)
    aclcheck_error(acl, get_relkind_objtype(get_rel_relkind(source)), get_rel_name(source));
  char* json = polyglot::pg::DeriveMapping(source, 0, nullptr, nullptr, false);
  json = pg_any_to_server(json, static_cast<int>(strlen(json)), PG_UTF8);
  return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

}  // extern "C"
