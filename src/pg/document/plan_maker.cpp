#include "pg/document/plan_maker.h"

#include <utility>

#include "pg/document/key_order.h"
#include "pg/document/read_plan.h"
#include "pg/document/read_query.h"
#include "pg/document/type_encoder.h"
#include "pg/prelude.h"
#include "pg/source/source_tree.h"

namespace polyglot::pg {
namespace {

struct Names {
  const char* table;
  TupleDesc shape;
};

bool IsColumn(const Names& names, const char* name) {
  for (int i = 0; i < names.shape->natts; ++i) {
    Form_pg_attribute att = TupleDescAttr(names.shape, i);
    if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0) return true;
  }
  return false;
}

const char* NameAt(const ColumnRef* ref, int position) {
  Node* node = static_cast<Node*>(list_nth(ref->fields, position));
  return IsA(node, String) ? strVal(node) : nullptr;  // nullptr: *
}

// May it mean the row as a whole, whose type is another one in a partition, or name its table with
// the schema, which an alias does not take?
bool MeansMore(const ColumnRef* ref, const Names& names) {
  const int count = list_length(ref->fields);
  const char *first = NameAt(ref, 0), *last = NameAt(ref, count - 1);
  if (count > 2 || first == nullptr || last == nullptr) return true;
  return strcmp(first, names.table) == 0 && (count == 1 || !IsColumn(names, last));
}

bool FindMore(Node* node, void* names) {
  if (node == nullptr) return false;
  if (IsA(node, ColumnRef))
    return MeansMore(reinterpret_cast<ColumnRef*>(node), *static_cast<const Names*>(names));
  return WalkRawExpression(node, FindMore, names);
}

bool NamesColumnsOnly(const ReadPlan& plan, const char* expression) {
  if (expression == nullptr) return true;
  Names names{get_rel_name(plan.relation), plan.shape};
  List* parsed = raw_parser(psprintf("SELECT (%s\n)", expression), RAW_PARSE_DEFAULT);
  return !FindMore(static_cast<RawStmt*>(linitial(parsed))->stmt, &names);
}

AttrNumber ColumnNumber(const ReadPlan& plan, const SyncRow& sync, const char* name) {
  for (int i = 0; i < plan.shape->natts; ++i) {
    Form_pg_attribute att = TupleDescAttr(plan.shape, i);
    if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0) return att->attnum;
  }
  ereport(ERROR,
          (errcode(ERRCODE_UNDEFINED_COLUMN),
           errmsg("column \"%s\" of sync \"%s\" does not exist in %s", name, sync.name, plan.table),
           errhint("Give the sync its columns anew with polyglot.alter_sync.")));
  pg_unreachable();
}

void TakeSource(ReadPlan* plan, const SyncRow& sync, Relation source) {
  const char* schema = get_namespace_name(RelationGetNamespace(source));
  plan->relation = sync.source;
  plan->has_heirs = HasHeirs(sync.source);
  plan->shape = CreateTupleDescCopyConstr(RelationGetDescr(source));
  plan->prefix = quote_identifier(pstrdup(RelationGetRelationName(source)));
  plan->table = quote_qualified_identifier(schema, RelationGetRelationName(source));
}

void AddField(ReadPlan* plan, AttrNumber attnum) {
  Form_pg_attribute att = TupleDescAttr(plan->shape, attnum - 1);
  FieldEncoder* field = &plan->fields[plan->field_count++];
  field->column = attnum - 1;
  field->prefix = MakeFieldPrefix(NameStr(att->attname), plan->memory, &field->prefix_length);
  field->type = MakeTypeEncoder(att->atttypid, att->atttypmod, plan->memory);
}

void TakeFields(ReadPlan* plan, const SyncRow& sync) {
  const int most = Max(plan->shape->natts, sync.column_count) + 1;
  plan->fields = static_cast<FieldEncoder*>(palloc0(sizeof(FieldEncoder) * most));
  for (int i = 0; i < sync.column_count; ++i)
    AddField(plan, ColumnNumber(*plan, sync, sync.columns[i]));
  if (sync.column_count > 0) return;
  for (int i = 0; i < plan->shape->natts; ++i)
    if (!TupleDescAttr(plan->shape, i)->attisdropped) AddField(plan, i + 1);
}

void TakeBody(ReadPlan* plan, const SyncRow& sync) {
  plan->has_filter = sync.filter != nullptr;
  plan->has_document = sync.document != nullptr;
  plan->passes_column = plan->key_count + (plan->has_routing ? 1 : 0);
  plan->body_column = plan->passes_column + (plan->has_filter ? 1 : 0);
  if (!plan->has_document) TakeFields(plan, sync);
}

// Of several columns that are hashed together no partition is told by lists of their values.
bool TellByLists(Oid source) {
  const char* key =
      TextDatumGetCString(DirectFunctionCall1(pg_get_partkeydef, ObjectIdGetDatum(source)));
  return strncmp(key, "HASH", 4) != 0 || strchr(key, ',') == nullptr;
}

SPIPlanPtr Prepare(const char* sql, int parameter_count, Oid* types,
                   int option = CURSOR_OPT_GENERIC_PLAN) {
  SPIPlanPtr plan = SPI_prepare_cursor(sql, parameter_count, types, option);
  if (plan == nullptr)
    elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
  SPI_keepplan(plan);
  return plan;
}

SPIPlanPtr PrepareByKeys(const ReadPlan& plan, const SyncRow& sync, Select select) {
  Oid types[INDEX_MAX_KEYS];
  for (int i = 0; i < plan.key_count; ++i)
    types[i] = plan.keys_in_arrays ? get_array_type(plan.order[i].operand) : plan.order[i].operand;
  return Prepare(KeysQuery(plan, sync, select), plan.key_count, types,
                 plan.prunes ? CURSOR_OPT_CUSTOM_PLAN : CURSOR_OPT_GENERIC_PLAN);
}

// By an index of another operator class "less" may be anything.
bool ReadsRanges(const ReadPlan& plan) {
  const KeyForm form = plan.key[0].form;
  const bool integer = form == KeyForm::kInt2 || form == KeyForm::kInt4 || form == KeyForm::kInt8;
  return integer && plan.key_count == 1 && OidIsValid(plan.key_index) && !plan.has_heirs &&
         strcmp(plan.order[0].less, "OPERATOR(pg_catalog.<)") == 0;
}

void PrepareKeys(ReadPlan* plan, const SyncRow& sync) {
  plan->prunes = HasManyPartitions(sync.source);
  plan->by_parts = plan->prunes && ReadsByParts(*plan, sync);
  plan->counted_at = GetCurrentTransactionStartTimestamp();
  plan->keys_in_arrays = !plan->prunes || plan->key_count == 1 || TellByLists(sync.source);
  for (int i = 0; i < plan->key_count; ++i)
    if (!OidIsValid(get_array_type(plan->order[i].operand))) plan->keys_in_arrays = false;
  plan->by_keys = PrepareByKeys(*plan, sync, Select::kRow);
  plan->in_ranges = ReadsRanges(*plan);
}

void CheckDocumentType(ReadPlan* plan) {
  if (!plan->has_document) return;
  auto* source = static_cast<CachedPlanSource*>(linitial(SPI_plan_get_plan_sources(plan->by_keys)));
  const Oid type = TupleDescAttr(source->resultDesc, plan->body_column)->atttypid;
  if (getBaseType(type) != JSONBOID && getBaseType(type) != JSONOID)
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("the document expression yields %s, not jsonb", format_type_be(type)),
                    errhint("Build one JSON object for each row, for example with "
                            "jsonb_build_object(…).")));
  plan->document = MakeTypeEncoder(type, -1, plan->memory);
}

}  // namespace

void MakeReadPlan(ReadPlan* plan, const SyncRow& sync, Oid owner, MemoryContext memory) {
  Relation source = try_relation_open(sync.source, AccessShareLock);
  if (source == nullptr) (void)SourceOwner(sync.source);  // says that it has gone
  MemoryContext caller = MemoryContextSwitchTo(memory);
  plan->owner = owner;
  TakeSource(plan, sync, source);
  MakeKeyPlan(plan, sync, memory);
  MakeKeyOrder(plan, source);
  TakeBody(plan, sync);
  PrepareKeys(plan, sync);
  CheckDocumentType(plan);
  MemoryContextSwitchTo(caller);
  relation_close(source, NoLock);
  plan->ready = true;
}

void PrepareRange(ReadPlan* plan, const SyncRow& sync) {
  Oid types[] = {plan->order[0].operand, plan->order[0].operand};
  if (plan->by_range == nullptr) plan->by_range = Prepare(RangeQuery(*plan, sync), 2, types);
}

void PrepareFilter(ReadPlan* plan, const SyncRow& sync) {
  if (plan->filter_by_keys == nullptr)
    plan->filter_by_keys = PrepareByKeys(*plan, sync, Select::kFilter);
}

SPIPlanPtr PagePlan(ReadPlan* plan, const SyncRow& sync, const PageKind& kind) {
  if (plan->page_limit != kind.limit || plan->page_part != kind.part) {
    for (SPIPlanPtr& page : plan->pages)
      if (SPIPlanPtr old = std::exchange(page, nullptr); old != nullptr) SPI_freeplan(old);
    plan->page_limit = kind.limit;
    plan->page_part = kind.part;
  }
  SPIPlanPtr* page = &plan->pages[(kind.keys_only ? 2 : 0) + (kind.after ? 1 : 0)];
  if (*page != nullptr) return *page;
  Oid types[INDEX_MAX_KEYS];
  for (int i = 0; i < plan->key_count; ++i) types[i] = plan->order[i].operand;
  return *page = Prepare(PageQuery(*plan, sync, kind), kind.after ? plan->key_count : 0, types);
}

bool ReadsByParts(const ReadPlan& plan, const SyncRow& sync) {
  if (!NamesColumnsOnly(plan, sync.filter) || !NamesColumnsOnly(plan, sync.document)) return false;
  ListCell* cell;
  foreach (cell, find_all_inheritors(plan.relation, NoLock, nullptr))
    if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_PARTITIONED_TABLE &&
        RightsOf(plan, lfirst_oid(cell)) == PartState::kOther)
      return false;
  return true;
}

}  // namespace polyglot::pg
