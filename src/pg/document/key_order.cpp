#include "pg/document/key_order.h"

#include "pg/prelude.h"
#include "pg/source/source_tree.h"

namespace polyglot::pg {

namespace {

int FindKey(const ReadPlan& plan, AttrNumber attnum) {
  for (int i = 0; i < plan.key_count; ++i)
    if (plan.key[i].attnum == attnum) return i;
  return -1;
}

bool Serves(const ReadPlan& plan, Relation index) {
  Form_pg_index form = index->rd_index;
  if (!form->indisunique || !form->indimmediate || !form->indisvalid ||
      index->rd_rel->relam != BTREE_AM_OID || form->indnkeyatts != plan.key_count ||
      RelationGetIndexPredicate(index) != NIL || RelationGetIndexExpressions(index) != NIL)
    return false;
  for (int i = 0; i < form->indnkeyatts; ++i)
    if (FindKey(plan, form->indkey.values[i]) < 0) return false;
  return true;
}

struct Operator {
  const char* sql;
  Oid left;
};

Operator LoadOperator(Oid family, Oid type, int strategy) {
  const Oid oid = get_opfamily_member(family, type, type, strategy);
  HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(oid));
  if (!HeapTupleIsValid(tuple))
    elog(ERROR, "no operator for strategy %d of operator family %u", strategy, family);
  auto* form = (Form_pg_operator)GETSTRUCT(tuple);
  Operator result;
  result.sql = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
                        NameStr(form->oprname));
  result.left = form->oprleft;
  ReleaseSysCache(tuple);
  return result;
}

const char* CollationSql(Oid collation) {
  HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for collation %u", collation);
  auto* form = (Form_pg_collation)GETSTRUCT(tuple);
  const char* sql =
      quote_qualified_identifier(get_namespace_name(form->collnamespace), NameStr(form->collname));
  ReleaseSysCache(tuple);
  return sql;
}

const char* ColumnSql(const ReadPlan& plan, const KeyColumn& key, Oid operand, Oid collation) {
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql, "%s.%s", plan.prefix, quote_identifier(key.name));
  if (operand != key.type)
    appendStringInfo(
        &sql, "::%s",
        format_type_extended(operand, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
  if (OidIsValid(collation) && collation != key.collation)
    appendStringInfo(&sql, " COLLATE %s", CollationSql(collation));
  return psprintf("(%s)", sql.data);
}

void FillOne(ReadPlan* plan, int position, int number, Oid family, Oid type, Oid collation) {
  KeyOrder* order = &plan->order[position];
  const Operator equal = LoadOperator(family, type, BTEqualStrategyNumber);
  order->key = number;
  const KeyColumn& key = plan->key[number];
  // anyenum, anyrange, record …: the operator takes the column's own type
  const bool generic = get_typtype(equal.left) == TYPTYPE_PSEUDO;
  order->operand = generic ? key.base_type : equal.left;
  order->column = ColumnSql(*plan, key, order->operand, collation);
  order->equal = equal.sql;
  order->less = LoadOperator(family, type, BTLessStrategyNumber).sql;
  order->greater = LoadOperator(family, type, BTGreaterStrategyNumber).sql;
  order->greater_equal = LoadOperator(family, type, BTGreaterEqualStrategyNumber).sql;
  order->less_equal = LoadOperator(family, type, BTLessEqualStrategyNumber).sql;
}

void FillOrder(ReadPlan* plan, Relation index) {
  MemoryContext caller = MemoryContextSwitchTo(plan->memory);
  plan->key_index = RelationGetRelid(index);
  for (int i = 0; i < plan->key_count; ++i)
    FillOne(plan, i, FindKey(*plan, index->rd_index->indkey.values[i]), index->rd_opfamily[i],
            index->rd_opcintype[i], index->rd_indcollation[i]);
  MemoryContextSwitchTo(caller);
}

// Of a declared key: the order that its types have by default.
void FillDefaultOrder(ReadPlan* plan) {
  MemoryContext caller = MemoryContextSwitchTo(plan->memory);
  plan->key_index = InvalidOid;
  for (int i = 0; i < plan->key_count; ++i) {
    const KeyColumn& key = plan->key[i];
    const Oid operators = GetDefaultOpClass(key.base_type, BTREE_AM_OID);
    if (!OidIsValid(operators))
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                      errmsg("key column \"%s\" has a type without an order", key.name),
                      errhint("Choose a key whose types have a default btree operator class.")));
    FillOne(plan, i, i, get_opclass_family(operators), get_opclass_input_type(operators),
            key.collation);
  }
  MemoryContextSwitchTo(caller);
}

}  // namespace

void MakeKeyOrder(ReadPlan* plan, Relation source) {
  ListCell* cell;
  List* indexes = RelationGetIndexList(source);
  foreach (cell, indexes) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    const bool serves = Serves(*plan, index);
    if (serves) FillOrder(plan, index);
    index_close(index, AccessShareLock);
    if (serves) return;
  }
  if (!CanBeCaptured(RelationGetRelid(source))) return FillDefaultOrder(plan);
  ereport(ERROR,
          (errcode(ERRCODE_UNDEFINED_OBJECT),
           errmsg("table \"%s\" has no unique index on the key columns of its sync any more",
                  RelationGetRelationName(source)),
           errhint("Create a unique index on exactly these columns, or drop the sync and create it "
                   "anew with another key.")));
}

}  // namespace polyglot::pg
