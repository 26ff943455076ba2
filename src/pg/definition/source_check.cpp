// Which relations can be a source, and which of their columns a key.

#include "pg/definition/definition_checks.h"
#include "pg/source/source_tree.h"

namespace polyglot::pg {
namespace {

[[noreturn]] void WrongKind(const char* name, const char* what, const char* hint) {
  ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                  errmsg("cannot synchronise \"%s\": it is %s", name, what), errhint("%s", hint)));
  pg_unreachable();
}

// What has no changes of its own to capture can only be compared now and then.
void CheckBatchKind(const char* name, char relkind) {
  if (relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE)
    WrongKind(name, "a table, whose changes can be captured",
              "Use capture => 'outbox'; the option \"reconcile\" can be used beside it.");
  if (relkind != RELKIND_VIEW && relkind != RELKIND_MATVIEW && relkind != RELKIND_FOREIGN_TABLE)
    WrongKind(name, "not a view or foreign table",
              "With capture => 'none' the source of a sync is a view, a materialized view or a "
              "foreign table.");
}

void CheckKind(const char* name, char relkind) {
  switch (relkind) {
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE:
      return;
    case RELKIND_VIEW:
      WrongKind(name, "a view",
                "Create the sync on the table beneath it; \"document\" and \"filter\" "
                "can shape what is indexed; or use capture => 'none' with \"reconcile\".");
    case RELKIND_MATVIEW:
      WrongKind(name, "a materialized view",
                "Its changes cannot be captured. Use capture => 'none' with \"key\" and the option "
                "\"reconcile\", or create the sync on a table.");
    case RELKIND_FOREIGN_TABLE:
      WrongKind(name, "a foreign table",
                "Its changes cannot be captured here. Use capture => 'none' with \"key\" and the "
                "option \"reconcile\", or create the sync in the database that holds the table.");
    default:
      WrongKind(name, "not a table", "The source of a sync is a table or a partitioned table.");
  }
}

void CheckPersistence(const char* name, char relpersistence) {
  if (relpersistence == RELPERSISTENCE_TEMP)
    WrongKind(name, "a temporary table", "The worker cannot read it. Use a permanent table.");
  if (relpersistence == RELPERSISTENCE_UNLOGGED)
    WrongKind(name, "an unlogged table",
              "A crash empties it unnoticed. Use ALTER TABLE ... SET LOGGED first.");
}

bool IsSystemSchema(const char* schema) {
  return schema && (strcmp(schema, "information_schema") == 0 || strncmp(schema, "pg_", 3) == 0);
}

void CheckSchema(const char* name, Oid relation, Oid schema) {
  char* schema_name = get_namespace_name(schema);
  if (relation < FirstNormalObjectId || IsSystemSchema(schema_name))
    WrongKind(name, "a system table", "The source of a sync is a table of your own.");
  if (schema_name && strcmp(schema_name, "polyglot") == 0)
    WrongKind(name, "one of polyglot_sync's own tables",
              "The source of a sync is a table of your own.");
}

void CheckOneRelation(Oid relation, bool captured) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("relation with OID %u does not exist", relation)));
  FormData_pg_class form = *reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
  ReleaseSysCache(tuple);
  captured ? CheckKind(NameStr(form.relname), form.relkind)
           : CheckBatchKind(NameStr(form.relname), form.relkind);
  CheckPersistence(NameStr(form.relname), form.relpersistence);
  CheckSchema(NameStr(form.relname), relation, form.relnamespace);
}

// reg* values are written as names, which may change without the row changing.
bool IsUnstableType(Oid type) {
  Oid element = get_element_type(getBaseType(type));
  switch (OidIsValid(element) ? getBaseType(element) : getBaseType(type)) {
    case REGPROCOID:
    case REGPROCEDUREOID:
    case REGOPEROID:
    case REGOPERATOROID:
    case REGCLASSOID:
    case REGTYPEOID:
    case REGROLEOID:
    case REGNAMESPACEOID:
    case REGCONFIGOID:
    case REGDICTIONARYOID:
    case REGCOLLATIONOID:
      return true;
    default:
      return false;
  }
}

AttrNumber ColumnOrError(Oid source, const char* name) {
  AttrNumber number = get_attnum(source, name);
  if (number > 0) return number;
  ereport(ERROR,
          (errcode(ERRCODE_UNDEFINED_COLUMN),
           errmsg("column \"%s\" of relation \"%s\" does not exist", name, get_rel_name(source)),
           number < 0 ? errhint("System columns cannot be used.")
                      : errhint("Names are case-sensitive here and written without double "
                                "quotes.")));
  pg_unreachable();
}

bool IndexHasColumns(const FormData_pg_index* index, Oid source, const NameList& key) {
  if (index->indnkeyatts != key.count) return false;
  for (int i = 0; i < key.count; ++i) {
    AttrNumber wanted = get_attnum(source, key.names[i]);
    bool there = false;
    for (int j = 0; j < index->indnkeyatts; ++j) there |= index->indkey.values[j] == wanted;
    if (!there) return false;
  }
  return true;
}

// Keys are compared by a B-tree's operators. A unique index may be of another kind: that of a key
// WITHOUT OVERLAPS is GiST.
bool IsBtree(Oid index) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
  if (!HeapTupleIsValid(tuple)) return false;
  const bool btree = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relam == BTREE_AM_OID;
  ReleaseSysCache(tuple);
  return btree;
}

enum class IndexMatch { kNone, kDeferrable, kUsable };

// Best of the unique indexes on exactly these columns.
IndexMatch MatchUniqueIndex(Oid source, const NameList& key) {
  Relation rel = try_relation_open(source, AccessShareLock);
  if (!rel) return IndexMatch::kNone;
  IndexMatch best = IndexMatch::kNone;
  ListCell* cell;
  foreach (cell, RelationGetIndexList(rel)) {
    HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
    if (!HeapTupleIsValid(tuple)) continue;
    auto* index = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
    if (index->indisunique && index->indisvalid && IsBtree(index->indexrelid) &&
        heap_attisnull(tuple, Anum_pg_index_indpred, nullptr) &&
        heap_attisnull(tuple, Anum_pg_index_indexprs, nullptr) &&
        IndexHasColumns(index, source, key)) {
      IndexMatch match = index->indimmediate ? IndexMatch::kUsable : IndexMatch::kDeferrable;
      if (match > best) best = match;
    }
    ReleaseSysCache(tuple);
  }
  relation_close(rel, AccessShareLock);
  return best;
}

NameList PrimaryKey(Oid source) {
  NameList key{};
  Oid index_oid = InvalidOid;
  Relation rel = relation_open(source, AccessShareLock);
  ListCell* cell;
  foreach (cell, RelationGetIndexList(rel)) {
    HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
    if (!HeapTupleIsValid(tuple)) continue;
    auto* index = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
    if (index->indisprimary) {
      index_oid = index->indexrelid;
      key.count = index->indnkeyatts;
      key.names = static_cast<char**>(palloc(sizeof(char*) * key.count));
      for (int i = 0; i < key.count; ++i)
        key.names[i] = get_attname(source, index->indkey.values[i], false);
    }
    ReleaseSysCache(tuple);
  }
  relation_close(rel, AccessShareLock);
  if (!OidIsValid(index_oid))
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("table \"%s\" has no primary key", get_rel_name(source)),
             errhint("Add a primary key, or name the columns of a unique index in \"key\".")));
  return key;
}

}  // namespace

void CheckSource(Oid source, bool captured) {
  CheckOneRelation(source, captured);
  if (!OwnsRelation(source, GetUserId()))
    aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(source)),
                   get_rel_name(source));
}

void CheckTree(Oid source, bool captured) {
  ListCell* cell;
  foreach (cell, captured ? find_all_inheritors(source, NoLock, nullptr) : NIL)
    if (lfirst_oid(cell) == source || get_rel_persistence(lfirst_oid(cell)) != RELPERSISTENCE_TEMP)
      CheckOneRelation(lfirst_oid(cell), true);
  CheckSource(source, captured);
}

const char* KeyProblem(Oid source, const NameList& key) {
  for (int i = 0; i < key.count; ++i) {
    AttrNumber number = get_attnum(source, key.names[i]);
    if (number <= 0) return psprintf("key column \"%s\" does not exist", key.names[i]);
    if (CanBeCaptured(source) && ColumnMayBeNull(source, number))
      return psprintf("key column \"%s\" may be null", key.names[i]);
  }
  if (!CanBeCaptured(source)) return nullptr;  // declared: nothing can prove it
  switch (MatchUniqueIndex(source, key)) {
    case IndexMatch::kNone:
      return "there is no unique B-tree index without WHERE and expressions on exactly the key "
             "columns";
    case IndexMatch::kDeferrable:
      return "the key's constraint is deferrable";
    case IndexMatch::kUsable:
      break;
  }
  return nullptr;
}

NameList ChooseKey(Oid source, const NameList& wanted) {
  if (!wanted.names && !CanBeCaptured(source))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("a sync of \"%s\" needs a key", get_rel_name(source)),
                    errhint("Name the columns that identify a row in \"key\".")));
  NameList key = wanted.names ? wanted : PrimaryKey(source);
  if (key.count > INDEX_MAX_KEYS)
    ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
                    errmsg("a key has at most %d columns", INDEX_MAX_KEYS)));
  for (int i = 0; i < key.count; ++i) {
    Oid type = get_atttype(source, ColumnOrError(source, key.names[i]));
    if (IsUnstableType(type))
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("key column \"%s\" has type %s, whose text changes with renames",
                             key.names[i], format_type_be(type)),
                      errhint("Name the columns of another unique index in \"key\".")));
  }
  if (const char* problem = KeyProblem(source, key))
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("cannot use the key of table \"%s\": %s", get_rel_name(source), problem),
                    errhint("A key is a unique, not deferrable index on NOT NULL columns; name the "
                            "columns of another one in \"key\".")));
  const char* hint;
  if (const char* problem = TreeProblem(source, key.count, key.names, &hint))
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("cannot use the key of table \"%s\": %s", get_rel_name(source), problem),
                    errhint("%s", hint)));
  return key;
}

void CheckRouting(Oid source, const char* routing) {
  if (!routing) return;
  const AttrNumber number = ColumnOrError(source, routing);
  HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(source), Int16GetDatum(number));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for attribute %d", number);
  const char generated = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple))->attgenerated;
  ReleaseSysCache(tuple);
  // Capture has to know where the document of a deleted row is.
  if (IsVirtual(generated))
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("routing column \"%s\" is a virtual generated column", routing),
                    errhint("Make it a STORED one.")));
}

void CheckColumns(Oid source, const NameList& list, bool names_are_fields) {
  for (int i = 0; i < list.count; ++i) (void)ColumnOrError(source, list.names[i]);
  if (!names_are_fields) return;
  // Names that Elasticsearch and OpenSearch keep for their own metadata of a document.
  static const char* const reserved[] = {"_id",
                                         "_index",
                                         "_type",
                                         "_source",
                                         "_routing",
                                         "_version",
                                         "_seq_no",
                                         "_primary_term",
                                         "_field_names",
                                         "_ignored",
                                         "_ignored_source",
                                         "_doc_count",
                                         "_nested_path",
                                         "_tier",
                                         "_data_stream_timestamp",
                                         "_feature",
                                         "_size",
                                         "_parent",
                                         "_all",
                                         "_uid",
                                         "_timestamp",
                                         "_ttl"};
  Relation rel = relation_open(source, AccessShareLock);
  for (int i = 0; i < RelationGetDescr(rel)->natts; ++i) {
    Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);
    const char* name = NameStr(column->attname);
    bool listed = !list.names;
    for (int j = 0; j < list.count; ++j) listed |= strcmp(list.names[j], name) == 0;
    if (column->attisdropped || !listed) continue;
    bool refused = strchr(name, '.') != nullptr || strspn(name, " \t\r\n") == strlen(name);
    for (const char* word : reserved) refused |= strcmp(word, name) == 0;
    if (refused)
      ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
                      errmsg("column name \"%s\" cannot be the name of a field", name),
                      errdetail("Search servers reserve some names, and read a dot as nesting."),
                      errhint("Leave the column out by \"columns\", or name the fields in a "
                              "\"document\" expression.")));
  }
  relation_close(rel, AccessShareLock);
}

}  // namespace polyglot::pg
