#include "pg/document/read_plan.h"

#include "pg/prelude.h"
#include "pg/source/source_tree.h"

namespace polyglot::pg {
namespace {

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

// How many tables of a tree a plan is kept for.
constexpr int kFewTables = 40;
// Counting thousands takes milliseconds.
constexpr int kCountInterval = 60'000;

bool StillPrunes(const ReadPlan& plan) {
  const TimestampTz now = GetCurrentTransactionStartTimestamp();
  if (!TimestampDifferenceExceeds(plan.counted_at, now, kCountInterval)) return true;
  return plan.prunes == HasManyPartitions(plan.relation);
}

}  // namespace

// A unique index of a partitioned table has all columns that its partitions, at any level, are made
// by; so has the key.
bool HasManyPartitions(Oid source) {
  return get_rel_relkind(source) == RELKIND_PARTITIONED_TABLE &&
         list_length(find_all_inheritors(source, NoLock, nullptr)) > kFewTables;
}

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

// Read through its parent a partition is read with the parent's rights.
PartState RightsOf(const ReadPlan& plan, Oid part) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(part));
  if (!HeapTupleIsValid(tuple)) return PartState::kGone;
  auto* form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
  const bool same = form->relkind == RELKIND_RELATION && form->relowner == plan.owner &&
                    !form->relforcerowsecurity;
  ReleaseSysCache(tuple);
  return same && pg_class_aclcheck(part, plan.owner, ACL_SELECT) == ACLCHECK_OK
             ? PartState::kReadable
             : PartState::kOther;
}

}  // namespace polyglot::pg
