#include "pg/definition/published_source.h"

#include "pg/catalog/own_relations.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/source/security_context.h"
#include "pg/source/source_tree.h"

namespace polyglot::pg {
namespace {

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
      names =
          lappend(names, pnstrdup(value.val.string.val, static_cast<Size>(value.val.string.len)));
  return names;
}

}  // namespace

const char* QualifiedName(Oid relation) {
  return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
                                    get_rel_name(relation));
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
