#include "pg/sql/published.h"

#include "pg/capture/source_tree.h"
#include "pg/capture/transaction_buffer.h"
#include "pg/document/document_limit.h"
#include "pg/document/security_context.h"
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

const char* QualifiedName(Oid relation) {
  return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
                                    get_rel_name(relation));
}

void Run(const char* sql) {
  SPI_connect();
  Execute(sql, {});
  SPI_finish();
  CommandCounterIncrement();
}

// The names in options.publishers, as text.
List* PublisherNames(const char* options) {
  List* names = NIL;
  if (!options) return names;
  Jsonb* parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(options)));
  JsonbValue* roles = getKeyJsonValueFromContainer(&parsed->root, "publishers", 10, nullptr);
  if (!roles || roles->type != jbvBinary) return names;
  JsonbIterator* iterator = JsonbIteratorInit(roles->val.binary.data);
  JsonbValue value;
  JsonbIteratorToken token;
  while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
    if (token == WJB_ELEM && value.type == jbvString)
      names = lappend(
          names, pnstrdup(value.val.string.val, static_cast<Size>(value.val.string.len)));
  return names;
}

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
    const Oid role = DatumGetObjectId(
        SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null));
    found = SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)) &&
            has_privs_of_role(caller, role);
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

// As the owner of the table: triggers that he may have put there get no more rights than his.
uint64 ChangeAsOwner(const SyncRow* sync, const char* sql, int count, Oid* types, Datum* values,
                     const char* nulls) {
  SecurityContext saved;
  EnterSourceContext(sync->owner, &saved);
  WriteAsOrigin();
  SPI_connect();
  int result = SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
  if (result < 0)
    elog(ERROR, "could not change published documents: %s", SPI_result_code_string(result));
  uint64 rows = SPI_processed;
  SPI_finish();
  LeaveSourceContext(saved);
  return rows;
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

bool IsPublishedSource(Oid source) {
  // No other table of ours can be a source.
  Oid parent = OurRelation("published"), schema = get_rel_namespace(source);
  return OidIsValid(parent) && OidIsValid(schema) && schema == get_rel_namespace(parent);
}

void StorePublishers(int32 sync, const char* options, bool all_must_exist) {
  List* roles = NIL;
  ListCell* cell;
  foreach (cell, PublisherNames(options)) {
    const Oid role = get_role_oid(static_cast<char*>(lfirst(cell)), !all_must_exist);
    if (OidIsValid(role)) roles = list_append_unique_oid(roles, role);
  }
  char* id = psprintf("%d", sync);
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute("DELETE FROM polyglot.publisher WHERE sync_id = $1::integer", {id});
  foreach (cell, roles)
    Execute("INSERT INTO polyglot.publisher (sync_id, role) VALUES ($1::integer, $2::oid)",
            {id, psprintf("%u", lfirst_oid(cell))});
  SPI_finish();
  CommandCounterIncrement();
}

bool IsPublishedTable(Oid relation) {
  const Oid parent = OurRelation("published");
  return OidIsValid(parent) && relation != parent && IsInTree(relation, parent);
}

Oid CreatePublishedSource(const char* sync, Oid server) {
  ForeignServer* object = GetForeignServer(server);
  if (!OwnsServer(server, GetUserId()))
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_SERVER, object->servername);
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute("SELECT pg_catalog.nextval('polyglot.sync_id')::text", {});
  const char* number = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
  const char* name = psprintf("published_%s", number);
  const char* statements[] = {
      "CREATE TABLE polyglot.%s (PRIMARY KEY (id)) INHERITS (polyglot.published)",
      // A subscriber has documents of its own, as with every table of ours.
      "CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.%s"
      " FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated()",
      "ALTER TABLE polyglot.%s ENABLE REPLICA TRIGGER ignore_replicated"};
  for (const char* statement : statements) Execute(psprintf(statement, name), {});
  Execute(psprintf("ALTER TABLE polyglot.%s ADD CONSTRAINT documents_of_one_sync CHECK (sync = %s)",
                   name, quote_literal_cstr(sync)),
          {});
  Execute(psprintf("ALTER TABLE polyglot.%s OWNER TO %s", name,
                   quote_identifier(GetUserNameFromId(object->owner, false))),
          {});
  Oid source = OurRelation(name);
  SPI_finish();
  CommandCounterIncrement();
  return source;
}

void DropPublishedSource(Oid source) {
  if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(source))) return;
  AsExtensionOwner as_owner;
  Run(psprintf("DROP TABLE %s", QualifiedName(source)));
}

void RenamePublishedSource(const SyncRow* sync, const char* new_name) {
  const char* table = QualifiedName(sync->source);
  const char* name = quote_literal_cstr(new_name);
  const char* statements[] = {
      psprintf("ALTER TABLE %s DROP CONSTRAINT documents_of_one_sync", table),
      psprintf("UPDATE %s SET sync = %s", table, name),
      psprintf("ALTER TABLE %s ADD CONSTRAINT documents_of_one_sync CHECK (sync = %s)", table,
               name)};
  for (const char* statement : statements) {
    (void)ChangeAsOwner(sync, statement, 0, nullptr, nullptr, nullptr);
    CommandCounterIncrement();
  }
}

void FollowServerOwner(Oid server) {
  int count;
  SyncRow** syncs = LoadSyncs(server, &count);
  Oid owner = GetForeignServer(server)->owner;
  for (int i = 0; i < count; ++i) {
    if (!IsPublishedSource(syncs[i]->source) || syncs[i]->owner == owner) continue;
    AsExtensionOwner as_owner;
    Run(psprintf("ALTER TABLE %s OWNER TO %s", QualifiedName(syncs[i]->source),
                 quote_identifier(GetUserNameFromId(owner, false))));
  }
}

}  // namespace polyglot::pg

Datum polyglot_publish(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  SyncRow* sync = PublishedArgument(fcinfo, "polyglot.publish()");
  Oid types[] = {TEXTOID, TEXTOID, TEXTOID, JSONBOID};
  char* routing = TextArgument(fcinfo, 3);
  Datum values[] = {
      CStringGetTextDatum(sync->name), CStringGetTextDatum(DocumentIdArgument(fcinfo)),
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
