#include "pg/capture/transaction_buffer.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/definition/published_source.h"
#include "pg/document/document_limit.h"
#include "pg/sql/arguments.h"
#include "pg/sql/key_argument.h"
#include "pg/sql/visibility.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_publish);
PG_FUNCTION_INFO_V1(polyglot_retract);
PGDLLEXPORT Datum polyglot_publish(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_retract(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {
namespace {

// The roles that options.publishers named when it was set, beside the owner.
bool IsPublisher(const SyncRow* sync) {
  const Oid caller = GetUserId();
  AsExtensionOwner as_owner;
  SPI_connect();
  const uint64 rows = Execute("SELECT role FROM polyglot.publisher WHERE sync_id = $1::integer",
                              {psprintf("%d", sync->id)});
  bool found = false;
  for (uint64 i = 0; i < rows && !found; ++i) {
    bool is_null;
    const Oid role =
        DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null));
    found =
        SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)) && has_privs_of_role(caller, role);
  }
  SPI_finish();
  return found;
}

SyncRow* PublishedArgument(FunctionCallInfo fcinfo, const char* function) {
  CheckMayWrite(function);
  SyncRow* sync = LoadSyncOrError(RequiredText(fcinfo, 0, "sync"));
  if (!IsPublishedSource(sync->source))
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("the documents of sync \"%s\" come from a table", sync->name),
                    errhint("Change that table; published documents need a sync that was created "
                            "with source => NULL.")));
  if (!OwnsSource(sync) && !IsPublisher(sync))
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied for sync \"%s\"", sync->name),
                    errhint("Its owner can name you in options.publishers.")));
  return sync;
}

const char* DocumentIdArgument(FunctionCallInfo fcinfo) {
  const char* id = RequiredText(fcinfo, 1, "id");
  if (*id != '\0') return id;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("id must not be empty")));
  pg_unreachable();
}

// Refused where it is known whose it is, and not later as a dead letter.
void CheckSize(const SyncRow* sync, Jsonb* document) {
  const std::size_t most = MaxDocumentBytes(sync->options);
  // A byte of it makes six of text at most.
  if (VARSIZE(document) <= most / 6) return;
  if (JsonTextFits(document, most)) return;
  ereport(ERROR,
          (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
           errmsg("document too large: more than %zu bytes (max_document_bytes)", most),
           errhint("Raise the sync's option \"max_document_bytes\" if the search server takes "
                   "larger requests.")));
}

Datum DocumentArgument(FunctionCallInfo fcinfo, const SyncRow* sync) {
  if (PG_ARGISNULL(2))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("document must not be null"),
                    errhint("polyglot.retract removes a document.")));
  if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(2)))
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("document must be a JSON object")));
  CheckSize(sync, PG_GETARG_JSONB_P(2));
  return PG_GETARG_DATUM(2);
}

// The document may be in the index all the same: in one that was not made by us, or because an
// earlier delete is still on its way.
void RecordRetraction(const SyncRow* sync, const char* id) {
  KeyArgument key{};
  ParseKeyText(id, *sync, &key);
  if (!RecordKeyEvent(sync->source, core::EventKind::kEnqueue,
                      {key.packed, static_cast<size_t>(key.packed_length)}))
    elog(ERROR, "the id does not fit the table of sync \"%s\"", sync->name);
}

}  // namespace
}  // namespace polyglot::pg

Datum polyglot_publish(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  SyncRow* sync = PublishedArgument(fcinfo, "polyglot.publish()");
  Oid types[] = {TEXTOID, TEXTOID, TEXTOID, JSONBOID};
  char* routing = TextArgument(fcinfo, 3);
  Datum values[] = {CStringGetTextDatum(sync->name),
                    CStringGetTextDatum(DocumentIdArgument(fcinfo)),
                    routing ? CStringGetTextDatum(routing) : static_cast<Datum>(0),
                    DocumentArgument(fcinfo, sync)};
  const char nulls[] = {' ', ' ', routing ? ' ' : 'n', ' '};
  const char* sql = psprintf(
      "INSERT INTO %s (sync, id, routing, document) VALUES ($1, $2, $3, $4)"
      " ON CONFLICT (id) DO UPDATE SET routing = EXCLUDED.routing, document = EXCLUDED.document",
      QualifiedName(sync->source));
  (void)ChangeAsOwner(sync, sql, 4, types, values, nulls);
  PG_RETURN_VOID();
}

Datum polyglot_retract(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  SyncRow* sync = PublishedArgument(fcinfo, "polyglot.retract()");
  const char* id = DocumentIdArgument(fcinfo);
  char* routing = TextArgument(fcinfo, 2);
  Oid types[] = {TEXTOID, TEXTOID};
  Datum values[] = {CStringGetTextDatum(id),
                    routing ? CStringGetTextDatum(routing) : static_cast<Datum>(0)};
  const char nulls[] = {' ', routing ? ' ' : 'n'};
  const char* sql = psprintf("DELETE FROM %s WHERE id = $1 AND ($2 IS NULL OR routing = $2)",
                             QualifiedName(sync->source));
  if (ChangeAsOwner(sync, sql, 2, types, values, nulls) == 0) RecordRetraction(sync, id);
  PG_RETURN_VOID();
}
