#include "pg/sql/row_visibility.h"

#include "pg/definition/expression_check.h"
#include "pg/guard.h"

namespace polyglot::pg {

namespace {

// Everything a query reaches, judged for the caller. A view without security_invoker reads with the
// rights of its owner, whoever asks; what stands in it that asks who the caller is does not.
struct Reach {
  Oid caller;
  Oid reads_as;  // whose rights count for the tables of this query
  Oid self;      // the view that is being looked at, or the sync's source: no need to look again
  const char* hidden;
  bool in_view;  // and not in an expression of the sync, which is evaluated as the owner for all
};

bool Walk(Node* node, void* context);

bool Hide(Reach* reach, const char* why) {
  reach->hidden = why;
  return true;
}

// Without a policy that would apply, and with the privilege, the caller reads what the owner reads.
bool LookAtTable(Relation rel, Reach* reach) {
  const Oid relation = RelationGetRelid(rel);
  const char* name = RelationGetRelationName(rel);
  const bool as_caller = reach->reads_as == reach->caller;
  if (as_caller && pg_class_aclcheck(relation, reach->caller, ACL_SELECT) != ACLCHECK_OK)
    return Hide(reach, psprintf("It reads \"%s\", which you may not.", name));
  // A policy may ask for current_user, which is the caller in a view of somebody else, too.
  if (check_enable_rls(relation, reach->reads_as, true) == RLS_ENABLED)
    return Hide(reach, psprintf("Row-level security of \"%s\" shows the owner other rows.", name));
  if (as_caller && rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
    return Hide(reach, psprintf("\"%s\" is read with the user mapping of the owner.", name));
  return false;
}

bool LookAtView(Relation rel, const Reach& above, Reach* reach) {
  Reach below = above;
  below.reads_as = RelationHasSecurityInvoker(rel) ? above.caller : rel->rd_rel->relowner;
  below.self = RelationGetRelid(rel);
  below.in_view = true;
  const bool hides = Walk(reinterpret_cast<Node*>(get_view_query(rel)), &below);
  reach->hidden = below.hidden;
  return hides;
}

bool LookAt(Oid relation, Reach* reach) {
  if (relation == reach->self) return false;
  check_stack_depth();
  Relation rel = try_relation_open(relation, AccessShareLock);
  if (rel == nullptr) return Hide(reach, "A relation that it reads is gone.");
  bool hides = LookAtTable(rel, reach);
  if (!hides && rel->rd_rel->relkind == RELKIND_VIEW) hides = LookAtView(rel, *reach, reach);
  relation_close(rel, AccessShareLock);
  return hides;
}

// Built in, and their result depends on who calls.
bool AsksWhoCalls(const char* name) {
  static constexpr const char* kFamilies[] = {
      "has_",          "pg_has_role",         "row_security_active", "query_to_xml",
      "cursor_to_xml", "table_to_xml",        "schema_to_xml",       "database_to_xml",
      "ts_stat",       "pg_stat_get_activity"};
  for (const char* family : kFamilies)
    if (strncmp(name, family, strlen(family)) == 0) return true;
  return false;
}

// What a function does that is neither built in nor immutable depends on whose rights it has.
bool DependsOnCaller(Oid function, void*) {
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple)) return true;
  auto* form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
  bool depends = form->provolatile != PROVOLATILE_IMMUTABLE;
  if (function < FirstUnpinnedObjectId || form->prolang == INTERNALlanguageId)
    depends = depends && AsksWhoCalls(NameStr(form->proname));
  else if (form->prolang == ClanguageId)
    depends = form->provolatile == PROVOLATILE_VOLATILE;
  ReleaseSysCache(tuple);
  return depends;
}

bool IsCurrentUser(Node* node) {
  if (!IsA(node, SQLValueFunction)) return false;
  const SQLValueFunctionOp op = reinterpret_cast<SQLValueFunction*>(node)->op;
  return op == SVFOP_CURRENT_ROLE || op == SVFOP_CURRENT_USER || op == SVFOP_USER;
}

bool Walk(Node* node, void* context) {
  auto* reach = static_cast<Reach*>(context);
  if (node == nullptr) return false;
  if (IsA(node, Query)) {
    auto* query = reinterpret_cast<Query*>(node);
    ListCell* cell;
    foreach (cell, query->rtable) {
      const auto* entry = lfirst_node(RangeTblEntry, cell);
      if (entry->rtekind == RTE_RELATION && LookAt(entry->relid, reach)) return true;
    }
    return WalkQuery(query, Walk, context);
  }
  if (reach->in_view && IsCurrentUser(node)) return Hide(reach, "It asks for the current user.");
  if (check_functions_in_node(node, DependsOnCaller, nullptr))
    return Hide(reach, "It calls a function that runs with the rights of whoever calls it.");
  return WalkExpression(node, Walk, context);
}

// Filter and document are evaluated as the owner; the caller would evaluate them as himself.
bool LookAtExpressions(const SyncRow* sync, Reach* reach) {
  PgError error;
  for (const char* expression : {sync->filter, sync->document}) {
    if (expression == nullptr) continue;
    Query* query = nullptr;
    if (!InSubtransaction([&] { query = AnalyzeAsOwner(sync->source, expression); }, &error))
      return Hide(reach, "Its filter or document cannot be evaluated any more.");
    if (Walk(reinterpret_cast<Node*>(query), reach)) return true;
  }
  return false;
}

}  // namespace

const char* WhyRowsAreHidden(const SyncRow* sync) {
  const Oid caller = GetUserId();
  Reach source{caller, caller, InvalidOid, nullptr, false};
  if (LookAt(sync->source, &source)) return source.hidden;
  Reach expressions{caller, caller, sync->source, nullptr, false};
  return LookAtExpressions(sync, &expressions) ? expressions.hidden : nullptr;
}

}  // namespace polyglot::pg
