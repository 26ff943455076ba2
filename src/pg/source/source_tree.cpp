#include "pg/source/source_tree.h"

#include <algorithm>

namespace polyglot::pg {
namespace {

constexpr int kNamedTables = 5;  // in one message

List* ParentsOf(Oid relation) {
  List* parents = NIL;
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relation));
  Relation inherits = table_open(InheritsRelationId, AccessShareLock);
  SysScanDesc scan =
      systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
  while (HeapTuple tuple = systable_getnext(scan)) {
    auto* form = reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple));
    // As find_inheritance_children sees it: a partition that is leaving is none any more.
    if (!form->inhdetachpending) parents = lappend_oid(parents, form->inhparent);
  }
  systable_endscan(scan);
  table_close(inherits, AccessShareLock);
  return parents;
}

// Since 18 a column is marked NOT NULL from the moment that the constraint exists, checked or not.
bool HasUncheckedNotNull(Oid relation, AttrNumber number) {
  constexpr char kNotNull = 'n';  // of pg_constraint.contype; no name for it before 18
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relation));
  Relation constraints = table_open(ConstraintRelationId, AccessShareLock);
  SysScanDesc scan =
      systable_beginscan(constraints, ConstraintRelidTypidNameIndexId, true, nullptr, 1, &key);
  bool found = false;
  while (HeapTuple tuple = systable_getnext(scan)) {
    auto* form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
    if (form->contype != kNotNull || form->convalidated) continue;
    bool isnull;
    Datum columns =
        heap_getattr(tuple, Anum_pg_constraint_conkey, RelationGetDescr(constraints), &isnull);
    if (isnull) continue;
    ArrayType* numbers = DatumGetArrayTypeP(columns);
    found |=
        ARR_DIMS(numbers)[0] == 1 && *reinterpret_cast<int16*>(ARR_DATA_PTR(numbers)) == number;
  }
  systable_endscan(scan);
  table_close(constraints, AccessShareLock);
  return found;
}

bool IsKeyColumn(Oid relation, AttrNumber number, int key_count, char* const* key) {
  return std::any_of(key, key + key_count,
                     [&](const char* name) { return get_attnum(relation, name) == number; });
}

// Can a row be found by its key without reading the whole table?
bool Serves(HeapTuple tuple, Oid relation, int key_count, char* const* key) {
  auto* index = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
  if (!index->indisvalid || index->indnkeyatts < key_count ||
      !heap_attisnull(tuple, Anum_pg_index_indpred, nullptr))
    return false;
  for (int i = 0; i < key_count; ++i)
    if (!IsKeyColumn(relation, index->indkey.values[i], key_count, key)) return false;
  return true;
}

bool HasKeyIndex(Oid relation, int key_count, char* const* key) {
  Relation rel = try_relation_open(relation, AccessShareLock);
  if (!rel) return true;
  bool found = false;
  ListCell* cell;
  foreach (cell, RelationGetIndexList(rel)) {
    HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
    if (!HeapTupleIsValid(tuple)) continue;
    found |= Serves(tuple, relation, key_count, key);
    ReleaseSysCache(tuple);
  }
  relation_close(rel, AccessShareLock);
  return found;
}

char* TableNames(List* tables) {
  StringInfoData names;
  initStringInfo(&names);
  for (int i = 0; i < Min(list_length(tables), kNamedTables); ++i)
    appendStringInfo(&names, "%s\"%s\"", i ? ", " : "", get_rel_name(list_nth_oid(tables, i)));
  if (list_length(tables) > kNamedTables)
    appendStringInfo(&names, " and %d more", list_length(tables) - kNamedTables);
  return names.data;
}

char* ColumnNames(int key_count, char* const* key) {
  StringInfoData names;
  initStringInfo(&names);
  for (int i = 0; i < key_count; ++i)
    appendStringInfo(&names, "%s%s", i ? ", " : "", quote_identifier(key[i]));
  return names.data;
}

}  // namespace

bool ColumnMayBeNull(Oid relation, AttrNumber number) {
  HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(number));
  if (!HeapTupleIsValid(tuple)) return true;
  auto* column = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
  const bool not_null = column->attnotnull && !column->attisdropped;
  ReleaseSysCache(tuple);
  return !not_null || HasUncheckedNotNull(relation, number);
}

bool CanBeCaptured(Oid relation) {
  const char kind = get_rel_relkind(relation);
  return (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE) &&
         get_rel_persistence(relation) != RELPERSISTENCE_TEMP;
}

List* SourceTree(Oid source) {
  List* tree = NIL;
  ListCell* cell;
  foreach (cell, find_all_inheritors(source, NoLock, nullptr))
    if (CanBeCaptured(lfirst_oid(cell))) tree = lappend_oid(tree, lfirst_oid(cell));
  return tree;
}

List* RelationsBelow(Oid relation) {
  List* below = list_make1_oid(relation);
  Relation inherits = table_open(InheritsRelationId, AccessShareLock);
  // The list grows while it is walked.
  for (int i = 0; i < list_length(below); ++i) {
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_inherits_inhparent, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(list_nth_oid(below, i)));
    SysScanDesc scan = systable_beginscan(inherits, InheritsParentIndexId, true, nullptr, 1, &key);
    while (HeapTuple tuple = systable_getnext(scan))
      below = list_append_unique_oid(
          below, reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple))->inhrelid);
    systable_endscan(scan);
  }
  table_close(inherits, AccessShareLock);
  below = list_delete_first(below);
  list_sort(below, list_oid_cmp);
  return below;
}

List* RelationsAbove(Oid relation) {
  List* above = list_make1_oid(relation);
  // The list grows while it is walked: diamonds put each table into it once.
  for (int i = 0; i < list_length(above); ++i)
    above = list_concat_unique_oid(above, ParentsOf(list_nth_oid(above, i)));
  return above;
}

bool IsInTree(Oid relation, Oid source) {
  return relation == source || list_member_oid(RelationsAbove(relation), source);
}

bool HasHeirs(Oid source) {
  return get_rel_relkind(source) == RELKIND_RELATION && has_subclass(source);
}

char* TreeProblem(Oid source, int key_count, char* const* key, const char** hint) {
  ListCell* cell;
  foreach (cell, find_all_inheritors(source, NoLock, nullptr)) {
    const Oid member = lfirst_oid(cell);
    const char* name = get_rel_name(member);
    const char persistence = get_rel_persistence(member);
    if (member == source || !name || persistence == RELPERSISTENCE_TEMP) continue;
    *hint = "Take the table out of the tree.";
    if (!CanBeCaptured(member))
      return psprintf("changes of the foreign table \"%s\" below it cannot be captured", name);
    *hint = "Use ALTER TABLE ... SET LOGGED.";
    if (persistence == RELPERSISTENCE_UNLOGGED)
      return psprintf("table \"%s\" below it is unlogged", name);
    *hint = "Use ALTER TABLE ... ALTER COLUMN ... SET NOT NULL.";
    for (int i = 0; i < key_count; ++i)
      if (ColumnMayBeNull(member, get_attnum(member, key[i])))
        return psprintf("key column \"%s\" of table \"%s\" may be null", key[i], name);
  }
  return nullptr;
}

void WarnOfHeirs(Oid source, int key_count, char* const* key, List* members) {
  if (!HasHeirs(source)) return;
  const char* columns = ColumnNames(key_count, key);
  List* slow = NIL;
  ListCell* cell;
  foreach (cell, members)
    if (!HasKeyIndex(lfirst_oid(cell), key_count, key)) slow = lappend_oid(slow, lfirst_oid(cell));
  ereport(WARNING,
          (errmsg("no index keeps (%s) unique across \"%s\" and the tables that inherit from it",
                  columns, get_rel_name(source)),
           errhint("Of several rows with the same key only that of the table with the lowest OID "
                   "has a document. One sequence for all of the tables gives unique keys.")));
  if (slow != NIL)
    ereport(WARNING,
            (errmsg("no index finds rows by (%s) in %s", columns, TableNames(slow)),
             errhint("Every change below \"%s\" reads a whole table. Create an index on (%s) "
                     "there.",
                     get_rel_name(source), columns)));
}

void InvalidateTree(Oid source) {
  if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(source))) return;
  ListCell* cell;
  foreach (cell, SourceTree(source)) CacheInvalidateRelcacheByRelid(lfirst_oid(cell));
}

}  // namespace polyglot::pg
