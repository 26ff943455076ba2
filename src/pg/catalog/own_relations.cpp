// Where the extension's own tables are, and what a scan of polyglot.sync_definition tells without
// SPI: event triggers ask for every table that anybody creates.

#include "pg/catalog/own_relations.h"

namespace polyglot::pg {
namespace {

constexpr char kExtension[] = "polyglot_sync";
constexpr char kSchema[] = "polyglot";
// Columns of polyglot.sync_definition (extension/10_tables.sql).
constexpr AttrNumber kId = 1, kSource = 3, kFilter = 9, kDocument = 10;

// Our schema is a member of the extension: found by that when its name is another one.
Oid MemberSchema() {
  const Oid extension = get_extension_oid(kExtension, true);
  if (!OidIsValid(extension)) return InvalidOid;
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(ExtensionRelationId));
  ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(extension));
  Oid schema = InvalidOid;
  Relation depend = table_open(DependRelationId, AccessShareLock);
  SysScanDesc scan = systable_beginscan(depend, DependReferenceIndexId, true, nullptr, 2, keys);
  while (HeapTuple tuple = systable_getnext(scan)) {
    auto* form = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple));
    if (form->classid == NamespaceRelationId && form->deptype == DEPENDENCY_EXTENSION)
      schema = form->objid;
  }
  systable_endscan(scan);
  table_close(depend, AccessShareLock);
  return schema;
}

// A definition without state was restored: nothing of it runs here.
bool HasState(int32 sync) {
  const Oid oid = OurRelation("sync_state"), index = OurRelation("sync_state_pkey");
  if (!OidIsValid(oid)) return false;
  Relation states = table_open(oid, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(sync));
  SysScanDesc scan = systable_beginscan(states, index, OidIsValid(index), nullptr, 1, &key);
  const bool found = HeapTupleIsValid(systable_getnext(scan));
  systable_endscan(scan);
  table_close(states, AccessShareLock);
  return found;
}

bool Contains(HeapTuple tuple, AttrNumber column, TupleDesc desc, const char* word) {
  bool isnull;
  const Datum value = heap_getattr(tuple, column, desc, &isnull);
  return !isnull && strstr(TextDatumGetCString(value), word) != nullptr;
}

}  // namespace

Oid OurExtension() { return get_extension_oid(kExtension, true); }

Oid OurRelation(const char* name) {
  const Oid schema = get_namespace_oid(kSchema, true);
  const Oid relation = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
  if (OidIsValid(relation)) return relation;
  const Oid renamed = MemberSchema();
  return OidIsValid(renamed) ? get_relname_relid(name, renamed) : InvalidOid;
}

// ERROR while the extension is there and its tables are not: under another name they are found. In
// the transaction that drops the extension nobody wants records any more.
Oid OurRelationOrError(const char* name) {
  const Oid relation = OurRelation(name);
  if (!OidIsValid(relation) && OidIsValid(OurExtension()))
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table \"polyglot.%s\" does not exist", name),
             errdetail("Changes of synchronised tables cannot be recorded without it."),
             errhint("Restore it, or drop the extension polyglot_sync.")));
  return relation;
}

SysScanDesc ScanDefinitionsOf(Relation definitions, Oid source) {
  ScanKeyData key;
  ScanKeyInit(&key, kSource, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(source));
  const Oid index = OurRelation("sync_definition_source");
  return systable_beginscan(definitions, index, OidIsValid(index), nullptr, 1, &key);
}

List* NamedSources() {
  const Oid oid = OurRelation("sync_definition");
  if (!OidIsValid(oid)) return NIL;
  List* sources = NIL;
  Relation definitions = table_open(oid, AccessShareLock);
  SysScanDesc scan = systable_beginscan(definitions, InvalidOid, false, nullptr, 0, nullptr);
  bool isnull;
  while (HeapTuple tuple = systable_getnext(scan))
    sources = lappend_oid(sources, DatumGetObjectId(heap_getattr(
                                       tuple, kSource, RelationGetDescr(definitions), &isnull)));
  systable_endscan(scan);
  table_close(definitions, AccessShareLock);
  list_sort(sources, list_oid_cmp);
  list_deduplicate_oid(sources);
  return sources;
}

List* SourcesOfExpressionsWith(const char* word) {
  const Oid oid = OurRelation("sync_definition");
  if (!OidIsValid(oid)) return NIL;
  List* sources = NIL;
  Relation definitions = table_open(oid, AccessShareLock);
  TupleDesc desc = RelationGetDescr(definitions);
  SysScanDesc scan = systable_beginscan(definitions, InvalidOid, false, nullptr, 0, nullptr);
  bool isnull;
  while (HeapTuple tuple = systable_getnext(scan))
    if (Contains(tuple, kFilter, desc, word) || Contains(tuple, kDocument, desc, word))
      sources = list_append_unique_oid(
          sources, DatumGetObjectId(heap_getattr(tuple, kSource, desc, &isnull)));
  systable_endscan(scan);
  table_close(definitions, AccessShareLock);
  return sources;
}

bool IsSource(Oid relation) {
  const Oid oid = OurRelation("sync_definition");
  if (!OidIsValid(oid)) return false;
  Relation definitions = table_open(oid, AccessShareLock);
  SysScanDesc scan = ScanDefinitionsOf(definitions, relation);
  bool found = false;
  bool isnull;
  while (HeapTuple tuple = systable_getnext(scan))
    found |=
        HasState(DatumGetInt32(heap_getattr(tuple, kId, RelationGetDescr(definitions), &isnull)));
  systable_endscan(scan);
  table_close(definitions, AccessShareLock);
  return found;
}

bool ExtensionExists() {
  return OidIsValid(get_extension_oid(kExtension, true)) &&
         OidIsValid(OurRelation("sync_definition")) && OidIsValid(OurRelation("sync_state"));
}

Oid ExtensionOwner() {
  // No system cache has extensions by name before 18: a scan, as get_extension_oid does it.
  Relation rel = table_open(ExtensionRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
              CStringGetDatum(kExtension));
  SysScanDesc scan = systable_beginscan(rel, ExtensionNameIndexId, true, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  Oid owner = HeapTupleIsValid(tuple)
                  ? reinterpret_cast<Form_pg_extension>(GETSTRUCT(tuple))->extowner
                  : InvalidOid;
  systable_endscan(scan);
  table_close(rel, AccessShareLock);
  if (!OidIsValid(owner))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("extension \"%s\" does not exist", kExtension)));
  return owner;
}

}  // namespace polyglot::pg
