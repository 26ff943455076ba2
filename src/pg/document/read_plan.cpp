#include "pg/document/read_plan.h"

#include <utility>

#include "core/queue/queue_record.h"
#include "pg/capture/source_tree.h"
#include "pg/document/key_order.h"
#include "pg/document/read_query.h"
#include "pg/prelude.h"

namespace polyglot::pg {

namespace {

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

// The column as the catalogs have it, whoever is about to change it.
bool SameColumn(const KeyColumn& column, Oid source) {
  HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(source), Int16GetDatum(column.attnum));
  if (!HeapTupleIsValid(tuple)) return false;
  auto* att = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
  const bool same = !att->attisdropped && att->atttypid == column.type &&
                    StampOf(att->atttypid) == column.stamp &&
                    att->attcollation == column.collation &&
                    (column.type != column.base_type || att->atttypmod == column.typmod) &&
                    strcmp(NameStr(att->attname), column.name) == 0;
  ReleaseSysCache(tuple);
  return same;
}

void TakeColumn(KeyColumn* column, const SyncRow& sync, AttrNumber attnum, const char* what,
                MemoryContext memory) {
  HeapTuple tuple = nullptr;
  if (attnum > 0)
    tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(sync.source), Int16GetDatum(attnum));
  auto* att =
      HeapTupleIsValid(tuple) ? reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple)) : nullptr;
  if (att == nullptr || att->attisdropped)
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_COLUMN),
             errmsg("a %s column of sync \"%s\" does not exist in its table", what, sync.name),
             errhint("Drop the sync and create it anew with another %s.", what)));
  InitKeyColumn(column, att, memory);
  ReleaseSysCache(tuple);
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

// How many tables of a tree a plan is kept for.
constexpr int kFewTables = 40;
// Counting thousands takes milliseconds.
constexpr int kCountInterval = 60'000;

// A unique index of a partitioned table has all columns that its partitions, at any level, are made
// by; so has the key.
bool HasManyPartitions(Oid source) {
  return get_rel_relkind(source) == RELKIND_PARTITIONED_TABLE &&
         list_length(find_all_inheritors(source, NoLock, nullptr)) > kFewTables;
}

bool StillPrunes(const ReadPlan& plan) {
  const TimestampTz now = GetCurrentTransactionStartTimestamp();
  if (!TimestampDifferenceExceeds(plan.counted_at, now, kCountInterval)) return true;
  return plan.prunes == HasManyPartitions(plan.relation);
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

Oid SourceOwner(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("the source table of the sync does not exist any more")));
  const Oid owner = ((Form_pg_class)GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

void MakeKeyPlan(KeyPlan* plan, const SyncRow& sync, MemoryContext memory) {
  StringInfoData header;
  const auto count = static_cast<uint16>(sync.key_count);
  MemoryContext caller = MemoryContextSwitchTo(memory);
  plan->memory = memory;
  plan->key_count = sync.key_count;
  initStringInfo(&header);
  appendBinaryStringInfo(&header, reinterpret_cast<const char*>(&count), sizeof count);
  for (int i = 0; i < sync.key_count; ++i) {
    TakeColumn(&plan->key[i], sync, sync.key[i], "key", memory);
    const KeyColumn& key = plan->key[i];
    appendBinaryStringInfo(&header, reinterpret_cast<const char*>(&key.attnum), sizeof key.attnum);
    appendBinaryStringInfo(&header, reinterpret_cast<const char*>(&key.stamp), sizeof key.stamp);
  }
  plan->key_header = header.data;
  plan->key_header_length = header.len;
  plan->has_routing = sync.routing != nullptr;
  if (plan->has_routing) TakeColumn(&plan->routing, sync, sync.routing_att, "routing", memory);
  MemoryContextSwitchTo(caller);
}

bool KeyPlanIsCurrent(const KeyPlan& plan, Oid source) {
  for (int i = 0; i < plan.key_count; ++i)
    if (!SameColumn(plan.key[i], source)) return false;
  return !plan.has_routing || SameColumn(plan.routing, source);
}

bool PlanIsCurrent(const ReadPlan* plan) {
  Relation source = try_relation_open(plan->relation, AccessShareLock);
  if (source == nullptr) return false;
  // A kept plan is parsed again by name when something changed, so the name counts, too.
  const char* table = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(source)),
                                                 RelationGetRelationName(source));
  const bool current = source->rd_rel->relowner == plan->owner && strcmp(table, plan->table) == 0 &&
                       plan->has_heirs == HasHeirs(plan->relation) && StillPrunes(*plan) &&
                       (!OidIsValid(plan->key_index) ||
                        SearchSysCacheExists1(INDEXRELID, ObjectIdGetDatum(plan->key_index))) &&
                       equalTupleDescs(RelationGetDescr(source), plan->shape);
  relation_close(source, NoLock);
  return current;
}

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

bool PlansAreValid(const ReadPlan& plan) {
  for (SPIPlanPtr kept : {plan.by_keys, plan.by_range, plan.filter_by_keys, plan.pages[0],
                          plan.pages[1], plan.pages[2], plan.pages[3]}) {
    if (kept == nullptr) continue;
    ListCell* cell;
    foreach (cell, SPI_plan_get_plan_sources(kept)) {
      auto* source = static_cast<CachedPlanSource*>(lfirst(cell));
      if (!source->is_valid || (source->gplan != nullptr && !source->gplan->is_valid)) return false;
    }
  }
  return true;
}

void FreeReadPlan(ReadPlan* plan) {
  for (SPIPlanPtr kept : {plan->by_keys, plan->by_range, plan->filter_by_keys, plan->pages[0],
                          plan->pages[1], plan->pages[2], plan->pages[3]})
    if (kept != nullptr) SPI_freeplan(kept);
}

}  // namespace polyglot::pg
