#include "pg/definition/expression_check.h"

#include "pg/guard.h"
#include "pg/source/security_context.h"

namespace polyglot::pg {

namespace {

constexpr char kBefore[] = "SELECT (";

// Errors show the expression and a place in it, not the statement that it is put into, nor the one
// that the user has sent.
struct ExpressionContext {
  const char *what, *sync, *expression;
  int before;  // characters in front of the expression in what is parsed
};

void AddExpressionContext(void* argument) {
  const auto* context = static_cast<ExpressionContext*>(argument);
  const int position = geterrposition() - context->before;
  if (geterrposition() > 0) {
    errposition(0);
    internalerrquery(context->expression);
    const int length = pg_mbstrlen(context->expression);
    internalerrposition(Max(1, Min(position, length + 1)));
  }
  errcontext("%s of sync \"%s\"", context->what, context->sync);
}

[[noreturn]] void NotOneExpression(const char* what) {
  ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
                  errmsg("%s must be one SQL expression over the row", what),
                  errhint("Write it as in a WHERE clause or a select list, without semicolon.")));
  pg_unreachable();
}

void CheckOneTarget(const char* what, const SelectStmt* select) {
  if (select->op != SETOP_NONE || select->fromClause || select->whereClause ||
      select->groupClause || select->havingClause || select->windowClause || select->sortClause ||
      select->limitCount || select->limitOffset || select->lockingClause || select->withClause ||
      select->intoClause || select->distinctClause || list_length(select->targetList) != 1)
    NotOneExpression(what);
  auto* target = linitial_node(ResTarget, select->targetList);
  // (a, b) and (t.*) are row constructors, not one value.
  if (target->name || IsA(target->val, RowExpr)) NotOneExpression(what);
}

void CheckSelect(const char* what, List* statements) {
  if (list_length(statements) != 1) NotOneExpression(what);
  Node* node = linitial_node(RawStmt, statements)->stmt;
  if (!IsA(node, SelectStmt)) NotOneExpression(what);
  CheckOneTarget(what, reinterpret_cast<SelectStmt*>(node));
}

// The text is later put in parentheses into a larger statement. So it must be one expression by
// itself: nothing like "true) FROM other --" may get through. First without them: an error must not
// complain about what the user has not written.
void CheckSingle(const char* what, ExpressionContext* context) {
  context->before = 0;
  CheckSelect(what, raw_parser(context->expression, RAW_PARSE_PLPGSQL_EXPR));
  context->before = static_cast<int>(sizeof kBefore) - 1;
  CheckSelect(what,
              raw_parser(psprintf("%s%s\n)", kBefore, context->expression), RAW_PARSE_DEFAULT));
}

Query* Analyze(Oid source, const char* expression) {
  char* table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(source)),
                                           get_rel_name(source));
  char* sql = psprintf("%s%s\n) FROM %s", kBefore, expression, table);
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

struct Reads {
  Oid source;
  int depth;  // 0: the statement over the row itself
  bool other_tables, other_rows;
};

bool FindReads(Node* node, void* context) {
  if (!node) return false;
  auto* reads = static_cast<Reads*>(context);
  if (IsA(node, Query)) {
    auto* query = reinterpret_cast<Query*>(node);
    ListCell* cell;
    foreach (cell, query->rtable) {
      const auto* entry = lfirst_node(RangeTblEntry, cell);
      reads->other_tables |= IsOtherTable(entry, reads->source);
      reads->other_rows |= entry->rtekind == RTE_RELATION && reads->depth > 0;
    }
    reads->depth++;
    (void)WalkQuery(query, FindReads, context);
    reads->depth--;
    return false;
  }
  reads->other_tables |= check_functions_in_node(node, FunctionMayRead, nullptr);
  return WalkExpression(node, FindReads, context);
}

bool TellsTime(Oid function, void*) {
  switch (function) {
    case F_NOW:
    case F_STATEMENT_TIMESTAMP:
    case F_TRANSACTION_TIMESTAMP:
    case F_AGE_TIMESTAMP:
    case F_AGE_TIMESTAMPTZ:
      return true;
    default:
      return false;
  }
}

bool IsTimeValue(const Node* node) {
  if (!IsA(node, SQLValueFunction)) return false;
  switch (reinterpret_cast<const SQLValueFunction*>(node)->op) {
    case SVFOP_CURRENT_DATE:
    case SVFOP_CURRENT_TIME:
    case SVFOP_CURRENT_TIME_N:
    case SVFOP_CURRENT_TIMESTAMP:
    case SVFOP_CURRENT_TIMESTAMP_N:
    case SVFOP_LOCALTIME:
    case SVFOP_LOCALTIME_N:
    case SVFOP_LOCALTIMESTAMP:
    case SVFOP_LOCALTIMESTAMP_N:
      return true;
    default:
      return false;
  }
}

bool DependsOnTime(Node* node, void* context) {
  if (!node) return false;
  if (IsA(node, Query)) return WalkQuery(reinterpret_cast<Query*>(node), DependsOnTime, context);
  if (IsTimeValue(node) || check_functions_in_node(node, TellsTime, nullptr)) return true;
  return WalkExpression(node, DependsOnTime, context);
}

void WarnOfReads(Oid source, const char* what, Query* query) {
  Reads reads{source, 0, false, false};
  (void)FindReads(reinterpret_cast<Node*>(query), &reads);
  if (reads.other_tables)
    ereport(WARNING, (errmsg("%s may read other tables", what),
                      errhint("Changes of those tables are not noticed; call polyglot.enqueue for "
                              "the rows concerned.")));
  else if (reads.other_rows)
    ereport(WARNING, (errmsg("%s reads other rows of the table", what),
                      errhint("A change of one row is not noticed for the others; call "
                              "polyglot.enqueue for the rows concerned.")));
}

void CheckVolatility(Oid source, const char* what, Query* query) {
  Node* node = reinterpret_cast<Node*>(query);
  if (contain_volatile_functions(node))
    ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
                    errmsg("%s must not use volatile functions", what),
                    errhint("The result must depend on the row only; otherwise the index could "
                            "never agree with the table.")));
  WarnOfReads(source, what, query);
  if (DependsOnTime(node, nullptr))
    ereport(WARNING, (errmsg("%s depends on the current time", what),
                      errhint("Nothing tells when time passes: a row counts as it was when it "
                              "changed last. The option \"reconcile\" compares it again now and "
                              "then.")));
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

Query* AnalyzeAsOwner(Oid source, const char* expression) {
  SecurityContext saved;
  EnterSourceContext(RelationOwner(source), &saved);
  Query* query = Analyze(source, expression);
  LeaveSourceContext(saved);
  return query;
}

bool ReadsWholeRow(Oid source, const char* expression) {
  bool whole = false;
  PgError error;
  const bool parsed = InSubtransaction(
      [&] {
        whole = HasWholeRow(reinterpret_cast<Node*>(AnalyzeAsOwner(source, expression)), nullptr);
      },
      &error);
  return whole || !parsed;
}

const char* WhyUnusable(Oid source, const char* what, const char* expression, Oid wanted_type) {
  PgError error{};
  if (InSubtransaction(
          [&] {
            SecurityContext saved;
            EnterSourceContext(RelationOwner(source), &saved);
            CheckShape(what, Analyze(source, expression), wanted_type);
            LeaveSourceContext(saved);
          },
          &error))
    return nullptr;
  return pstrdup(error.message);
}

void CheckExpression(Oid source, const char* sync, const char* what, const char* expression,
                     Oid wanted_type) {
  Oid saved_user;
  int saved_context;
  const Oid owner = RelationOwner(source);
  GetUserIdAndSecContext(&saved_user, &saved_context);
  SetUserIdAndSecContext(
      owner, saved_context | SECURITY_RESTRICTED_OPERATION | SECURITY_LOCAL_USERID_CHANGE);
  int level = NewGUCNestLevel();
  (void)set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
  ExpressionContext context{what, sync, expression, 0};
  ErrorContextCallback callback{error_context_stack, AddExpressionContext, &context};
  error_context_stack = &callback;
  CheckSingle(what, &context);
  Query* query = Analyze(source, expression);
  CheckShape(what, query, wanted_type);
  CheckVolatility(source, what, query);
  error_context_stack = callback.previous;
  AtEOXact_GUC(false, level);
  SetUserIdAndSecContext(saved_user, saved_context);
}

}  // namespace polyglot::pg
