#include "pg/document/read_query.h"

#include "pg/prelude.h"

namespace polyglot::pg {

namespace {

// Names that no column of a table is likely to have: a filter's unqualified column names must not
// become ambiguous by the join.
constexpr const char* kKeysAlias = "\"polyglot_sync keys\"";

void AppendColumn(StringInfo sql, const ReadPlan& plan, const char* name) {
  appendStringInfo(sql, "%s.%s", plan.prefix, quote_identifier(name));
}

// The expression may end in a comment: hence the line breaks.
void AppendBody(StringInfo sql, const ReadPlan& plan, const SyncRow& sync) {
  if (plan.has_document) {
    if (plan.has_filter)
      appendStringInfo(sql, ", CASE WHEN (%s\n) THEN (%s\n) END", sync.filter, sync.document);
    else
      appendStringInfo(sql, ", (%s\n)", sync.document);
    return;
  }
  for (int i = 0; i < plan.field_count; ++i) {
    appendStringInfoString(sql, ", ");
    AppendColumn(sql, plan, NameStr(TupleDescAttr(plan.shape, plan.fields[i].column)->attname));
  }
}

void AppendKeyList(StringInfo sql, const ReadPlan& plan, bool order) {
  for (int i = 0; i < plan.key_count; ++i) {
    appendStringInfo(sql, "%s%s", i > 0 ? ", " : "", plan.order[i].column);
    if (order) appendStringInfo(sql, " USING %s", plan.order[i].less);
  }
}

// Nothing keeps a key unique across tables that inherit from each other. One row of each key
// counts, and always the same one; equal is what the key's index would call equal.
void AppendDistinct(StringInfo sql, const ReadPlan& plan) {
  appendStringInfoString(sql, "DISTINCT ON (");
  AppendKeyList(sql, plan, false);
  appendStringInfoString(sql, ") ");
}

void AppendOrder(StringInfo sql, const ReadPlan& plan) {
  appendStringInfoString(sql, " ORDER BY ");
  AppendKeyList(sql, plan, true);
  if (plan.has_heirs) appendStringInfo(sql, ", %s.tableoid", plan.prefix);
}

void AppendSelectList(StringInfo sql, const ReadPlan& plan, const SyncRow& sync, Select select) {
  appendStringInfoString(sql, "SELECT ");
  if (plan.has_heirs) AppendDistinct(sql, plan);
  for (int i = 0; i < plan.key_count; ++i) {
    if (i > 0) appendStringInfoString(sql, ", ");
    AppendColumn(sql, plan, plan.key[i].name);
  }
  if (select == Select::kKeyOnly) return;
  if (plan.has_routing && select == Select::kRow) {
    appendStringInfoString(sql, ", ");
    AppendColumn(sql, plan, plan.routing.name);
  }
  if (plan.has_filter) appendStringInfo(sql, ", (%s\n) IS TRUE", sync.filter);
  if (select == Select::kRow) AppendBody(sql, plan, sync);
}

// ROW(a, b) > ROW($1, $2) is what an index can begin at, but it takes one operator name for all
// columns. With different ones (citext beside bigint): a bound on the first column and the exact
// rule.
bool OneOperatorForAll(const ReadPlan& plan) {
  for (int i = 1; i < plan.key_count; ++i)
    if (strcmp(plan.order[i].greater, plan.order[0].greater) != 0) return false;
  return true;
}

void AppendExactRule(StringInfo sql, const ReadPlan& plan) {
  for (int i = 0; i < plan.key_count; ++i) {
    appendStringInfoString(sql, i > 0 ? " OR (" : "(");
    for (int j = 0; j < i; ++j)
      appendStringInfo(sql, "%s %s $%d AND ", plan.order[j].column, plan.order[j].equal, j + 1);
    appendStringInfo(sql, "%s %s $%d)", plan.order[i].column, plan.order[i].greater, i + 1);
  }
}

void AppendAfter(StringInfo sql, const ReadPlan& plan) {
  appendStringInfoString(sql, " WHERE ");
  if (!OneOperatorForAll(plan)) {
    const KeyOrder& first = plan.order[0];
    appendStringInfo(sql, "%s %s $1 AND (", first.column, first.greater_equal);
    AppendExactRule(sql, plan);
    appendStringInfoChar(sql, ')');
    return;
  }
  appendStringInfoString(sql, "ROW(");
  for (int i = 0; i < plan.key_count; ++i)
    appendStringInfo(sql, "%s%s", i > 0 ? ", " : "", plan.order[i].column);
  appendStringInfo(sql, ") %s ROW(", plan.order[0].greater);
  for (int i = 0; i < plan.key_count; ++i) appendStringInfo(sql, "%s$%d", i > 0 ? ", " : "", i + 1);
  appendStringInfoChar(sql, ')');
}

void AppendMatch(StringInfo sql, const ReadPlan& plan) {
  for (int i = 0; i < plan.key_count; ++i)
    appendStringInfo(sql, "%s%s %s $%d", i > 0 ? " AND " : "", plan.order[i].column,
                     plan.order[i].equal, i + 1);
}

void AppendJoin(StringInfo sql, const ReadPlan& plan) {
  appendStringInfoString(sql, " FROM unnest(");
  for (int i = 0; i < plan.key_count; ++i) appendStringInfo(sql, "%s$%d", i > 0 ? ", " : "", i + 1);
  appendStringInfo(sql, ") AS %s(", kKeysAlias);
  for (int i = 0; i < plan.key_count; ++i)
    appendStringInfo(sql, "%s\"polyglot_sync %d\"", i > 0 ? ", " : "", i + 1);
  appendStringInfo(sql, ") JOIN %s ON ", plan.table);
  for (int i = 0; i < plan.key_count; ++i)
    appendStringInfo(sql, "%s%s %s %s.\"polyglot_sync %d\"", i > 0 ? " AND " : "",
                     plan.order[i].column, plan.order[i].equal, kKeysAlias, i + 1);
  // A join tells the planner of no partition that it may leave out.
  for (int i = 0; plan.prunes && i < plan.key_count; ++i)
    appendStringInfo(sql, " AND %s %s ANY ($%d)", plan.order[i].column, plan.order[i].equal, i + 1);
}

const char* QualifiedName(Oid relation) {
  return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
                                    get_rel_name(relation));
}

}  // namespace

const char* KeysQuery(const ReadPlan& plan, const SyncRow& sync, Select select) {
  StringInfoData sql;
  initStringInfo(&sql);
  AppendSelectList(&sql, plan, sync, select);
  if (!plan.keys_in_arrays) {
    appendStringInfo(&sql, " FROM %s WHERE ", plan.table);
    AppendMatch(&sql, plan);
  } else if (plan.key_count == 1) {
    appendStringInfo(&sql, " FROM %s WHERE %s %s ANY ($1)", plan.table, plan.order[0].column,
                     plan.order[0].equal);
  } else {
    AppendJoin(&sql, plan);
  }
  if (plan.has_heirs) AppendOrder(&sql, plan);
  return sql.data;
}

const char* RangeQuery(const ReadPlan& plan, const SyncRow& sync) {
  const KeyOrder& key = plan.order[0];
  StringInfoData sql;
  initStringInfo(&sql);
  AppendSelectList(&sql, plan, sync, Select::kRow);
  appendStringInfo(&sql, " FROM %s WHERE %s %s $1 AND %s %s $2", plan.table, key.column,
                   key.greater_equal, key.column, key.less_equal);
  return sql.data;
}

// Columns of a partition have the source's names and types, whatever their order.
const char* PageQuery(const ReadPlan& plan, const SyncRow& sync, const PageKind& kind) {
  StringInfoData sql;
  initStringInfo(&sql);
  AppendSelectList(&sql, plan, sync, kind.keys_only ? Select::kKeyOnly : Select::kRow);
  if (OidIsValid(kind.part))
    appendStringInfo(&sql, " FROM %s AS %s", QualifiedName(kind.part), plan.prefix);
  else
    appendStringInfo(&sql, " FROM %s", plan.table);
  if (kind.after) AppendAfter(&sql, plan);
  AppendOrder(&sql, plan);
  appendStringInfo(&sql, " LIMIT %d", kind.limit);
  return sql.data;
}

}  // namespace polyglot::pg
