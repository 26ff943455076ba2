#include "pg/sql/expression_check.h"

#include "pg/document/security_context.h"
#include "pg/guard.h"

namespace polyglot::pg {

namespace {

[[noreturn]] void NotOneExpression(const char* what) {
  ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
                  errmsg("%s must be one SQL expression over the row", what),
                  errhint("Write it as in a WHERE clause or a select list, without semicolon.")));
  pg_unreachable();
}

// The text is later put in parentheses into a larger statement. So it must be one expression by
// itself: nothing like "true) FROM other --" may get through.
void CheckSingle(const char* what, const char* expression) {
  List* statements = raw_parser(psprintf("SELECT (%s\n)", expression), RAW_PARSE_DEFAULT);
  if (list_length(statements) != 1) NotOneExpression(what);
  Node* node = linitial_node(RawStmt, statements)->stmt;
  if (!IsA(node, SelectStmt)) NotOneExpression(what);
  auto* select = reinterpret_cast<SelectStmt*>(node);
  if (select->op != SETOP_NONE || select->fromClause || select->whereClause ||
      select->groupClause || select->havingClause || select->windowClause || select->sortClause ||
      select->limitCount || select->limitOffset || select->lockingClause || select->withClause ||
      select->intoClause || select->distinctClause || list_length(select->targetList) != 1)
    NotOneExpression(what);
  auto* target = linitial_node(ResTarget, select->targetList);
  // (a, b) and (t.*) are row constructors, not one value.
  if (target->name || IsA(target->val, RowExpr)) NotOneExpression(what);
}

Query* Analyze(Oid source, const char* expression) {
  char* table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(source)),
                                           get_rel_name(source));
  char* sql = psprintf("SELECT (%s\n) FROM %s", expression, table);
  List* statements = raw_parser(sql, RAW_PARSE_DEFAULT);
  return parse_analyze_fixedparams(linitial_node(RawStmt, statements), sql, nullptr, 0, nullptr);
}

void CheckShape(const char* what, const Query* query, Oid wanted_type) {
  if (query->hasAggs || query->hasWindowFuncs || query->hasTargetSRFs)
    ereport(ERROR, (errcode(ERRCODE_GROUPING_ERROR),
                    errmsg("%s must not use aggregates, window functions, or functions that return "
                           "sets",
                           what),
                    errhint("A sub-select in parentheses may use them.")));
  auto* target = linitial_node(TargetEntry, query->targetList);
  Oid type = getBaseType(exprType(reinterpret_cast<Node*>(target->expr)));
  // An untyped NULL or literal has no type yet and fits nothing here.
  if (type != wanted_type)
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("%s must be of type %s, not %s", what, format_type_be(wanted_type),
                           format_type_be(type)),
                    errhint("Add a cast, or build it with %s.",
                            wanted_type == JSONBOID ? "jsonb_build_object" : "a comparison")));
}

bool IsOtherTable(const RangeTblEntry* entry, Oid source) {
  return entry->rtekind == RTE_RELATION && entry->relid != source;
}

// Only functions written in C and built in are trusted not to read tables.
bool FunctionMayRead(Oid function, void*) {
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple)) return false;
  auto* form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
  bool may = form->provolatile == PROVOLATILE_STABLE && form->prolang != INTERNALlanguageId &&
             form->prolang != ClanguageId;
  ReleaseSysCache(tuple);
  return may;
}

struct ReadsContext {
  Oid source;
};

bool ReadsOtherTables(Node* node, void* context) {
  if (!node) return false;
  if (IsA(node, Query)) {
    auto* query = reinterpret_cast<Query*>(node);
    ListCell* cell;
    foreach (cell, query->rtable)
      if (IsOtherTable(lfirst_node(RangeTblEntry, cell),
                       static_cast<ReadsContext*>(context)->source))
        return true;
    return WalkQuery(query, ReadsOtherTables, context);
  }
  if (check_functions_in_node(node, FunctionMayRead, nullptr)) return true;
  return WalkExpression(node, ReadsOtherTables, context);
}

void CheckVolatility(Oid source, const char* what, Query* query) {
  Node* node = reinterpret_cast<Node*>(query);
  if (contain_volatile_functions(node))
    ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
                    errmsg("%s must not use volatile functions", what),
                    errhint("The result must depend on the row only; otherwise the index could "
                            "never agree with the table.")));
  ReadsContext context{source};
  if (ReadsOtherTables(node, &context))
    ereport(WARNING, (errmsg("%s may read other tables", what),
                      errhint("Changes of those tables are not noticed; call polyglot.enqueue for "
                              "the rows concerned.")));
}

Oid RelationOwner(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for relation %u", relation);
  Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

bool HasWholeRow(Node* node, void* context) {
  if (!node) return false;
  if (IsA(node, Var)) return reinterpret_cast<Var*>(node)->varattno == InvalidAttrNumber;
  if (IsA(node, Query)) return WalkQuery(reinterpret_cast<Query*>(node), HasWholeRow, context);
  return WalkExpression(node, HasWholeRow, context);
}

}  // namespace

bool ReadsWholeRow(Oid source, const char* expression) {
  bool whole = false;
  PgError error;
  const bool parsed = InSubtransaction(
      [&] {
        SecurityContext saved;
        EnterSourceContext(RelationOwner(source), &saved);
        whole = HasWholeRow(reinterpret_cast<Node*>(Analyze(source, expression)), nullptr);
        LeaveSourceContext(saved);
      },
      &error);
  return whole || !parsed;
}

void CheckExpression(Oid source, const char* what, const char* expression, Oid wanted_type) {
  Oid saved_user;
  int saved_context;
  const Oid owner = RelationOwner(source);
  GetUserIdAndSecContext(&saved_user, &saved_context);
  SetUserIdAndSecContext(
      owner, saved_context | SECURITY_RESTRICTED_OPERATION | SECURITY_LOCAL_USERID_CHANGE);
  int level = NewGUCNestLevel();
  (void)set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
  CheckSingle(what, expression);
  Query* query = Analyze(source, expression);
  CheckShape(what, query, wanted_type);
  CheckVolatility(source, what, query);
  AtEOXact_GUC(false, level);
  SetUserIdAndSecContext(saved_user, saved_context);
}

}  // namespace polyglot::pg
