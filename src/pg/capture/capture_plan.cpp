#include "pg/capture/capture_plan.h"

#include "pg/catalog/own_relations.h"
#include "pg/catalog/sync_row.h"
#include "pg/document/key_codec.h"
#include "pg/process_table.h"
#include "pg/source/source_tree.h"

namespace polyglot::pg {
namespace {

struct PlanKey {
  Oid relation;
  Oid source;
};

struct PlanEntry {
  PlanKey key;
  CapturePlan* plan;
};

HTAB* plans = nullptr;
CapturePlan* replaced = nullptr;
bool any_stale = false;  // among `plans`
uint64 plan_epoch = 1;

uint64 invalidations = 0;

// Columns of the two tables (extension/10_tables.sql). Later versions may only append columns.
enum DefinitionColumn {
  kDefId = 1,
  kDefSource = 3,
  kDefKey = 7,
  kDefRouting = 11,
  kDefColumns = 11
};
enum StateColumn { kStateSync = 1, kStateQueue = 3, kStateColumns = 3 };

// Any change of a relation may be a change of its syncs: create, alter and drop of a sync
// invalidate the relcache entries of the whole tree.
void OnRelcacheInvalidation(Datum, Oid relation) {
  invalidations++;
  if (plans == nullptr) return;
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, plans);
  while (auto* entry = static_cast<PlanEntry*>(hash_seq_search(&scan)))
    if (!OidIsValid(relation) || relation == entry->key.relation || relation == entry->key.source) {
      entry->plan->valid = false;
      any_stale = true;
    }
}

int CompareInt32(const void* a, const void* b) {
  const int32 x = *static_cast<const int32*>(a), y = *static_cast<const int32*>(b);
  return (x > y) - (x < y);
}

// By name: a partition may have its columns in another order.
AttrNumber LeafColumn(const CapturePlan& plan, AttrNumber source_att, Oid type) {
  if (plan.relation == plan.source) return source_att;
  char* name = get_attname(plan.source, source_att, true);
  if (name == nullptr) return 0;
  const AttrNumber found = get_attnum(plan.relation, name);
  pfree(name);
  return get_atttype(plan.relation, found) == type ? found : static_cast<AttrNumber>(0);
}

// `columns` has room for kMaxCapturedColumns.
void AddColumn(CapturePlan* plan, AttrNumber source_att, bool is_key) {
  int at = 0;
  while (at < plan->column_count && plan->columns[at].source_att < source_att) at++;
  if (at < plan->column_count && plan->columns[at].source_att == source_att) {
    plan->columns[at].is_key |= is_key;
    return;
  }
  const Oid type = get_atttype(plan->source, source_att);
  if (!OidIsValid(type)) return;
  if (plan->column_count == kMaxCapturedColumns) {
    plan->unfit = true;
    return;
  }
  memmove(&plan->columns[at + 1], &plan->columns[at],
          sizeof(CaptureColumn) * static_cast<Size>(plan->column_count - at));
  CaptureColumn* column = &plan->columns[at];
  plan->column_count++;
  column->source_att = source_att;
  column->is_key = is_key;
  column->type = type;
  column->stamp = StampOf(type);
  get_typlenbyval(type, &column->typlen, &column->typbyval);
  column->leaf_att = LeafColumn(*plan, source_att, type);
}

// The sync's queue from sync_state; 0: restored from a dump or dropped meanwhile.
int32 QueueOfSync(Relation state, int32 sync) {
  ScanKeyData key;
  ScanKeyInit(&key, kStateSync, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(sync));
  const Oid index = OurRelation("sync_state_pkey");
  SysScanDesc scan = systable_beginscan(state, index, OidIsValid(index), nullptr, 1, &key);
  int32 queue = 0;
  if (HeapTuple tuple = systable_getnext(scan)) {
    bool isnull;
    queue = DatumGetInt32(heap_getattr(tuple, kStateQueue, RelationGetDescr(state), &isnull));
  }
  systable_endscan(scan);
  return queue;
}

void AddKeyColumns(CapturePlan* plan, Datum names) {
  Datum* elements;
  bool* nulls;
  int count;
  deconstruct_array(DatumGetArrayTypeP(names), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
                    &elements, &nulls, &count);
  for (int i = 0; i < count; i++) {
    if (nulls[i]) continue;
    const AttrNumber att = get_attnum(plan->source, NameStr(*DatumGetName(elements[i])));
    if (att > 0) AddColumn(plan, att, true);
  }
}

void AddSync(CapturePlan* plan, Relation definitions, Relation states, HeapTuple tuple,
             List** queues) {
  TupleDesc desc = RelationGetDescr(definitions);
  bool isnull;
  const int32 id = DatumGetInt32(heap_getattr(tuple, kDefId, desc, &isnull));
  const int32 queue = QueueOfSync(states, id);
  if (queue == 0) return;
  *queues = list_append_unique_int(*queues, queue);
  Datum key = heap_getattr(tuple, kDefKey, desc, &isnull);
  if (!isnull) AddKeyColumns(plan, key);
  Datum routing = heap_getattr(tuple, kDefRouting, desc, &isnull);
  if (isnull) return;
  const AttrNumber att = get_attnum(plan->source, NameStr(*DatumGetName(routing)));
  if (att > 0) AddColumn(plan, att, false);
}

// Reads the syncs of the source with the newest snapshot: a transaction whose own snapshot is older
// than a sync must record for it all the same.
void FillPlan(CapturePlan* plan, List** queues) {
  const Oid definition_oid = OurRelationOrError("sync_definition"),
            state_oid = OurRelationOrError("sync_state");
  if (!OidIsValid(definition_oid) || !OidIsValid(state_oid)) return;
  // The trigger's name may say anything: its owner can rename it, and a restored one has the number
  // that the table had where it was dumped.
  if (!IsInTree(plan->relation, plan->source)) return;
  Relation definitions = table_open(definition_oid, AccessShareLock);
  Relation states = table_open(state_oid, AccessShareLock);
  SysScanDesc scan = ScanDefinitionsOf(definitions, plan->source);
  while (HeapTuple tuple = systable_getnext(scan))
    AddSync(plan, definitions, states, tuple, queues);
  systable_endscan(scan);
  table_close(states, AccessShareLock);
  table_close(definitions, AccessShareLock);
  if (plan->unfit) plan->column_count = 0;
}

// A plan in the caller's memory: nothing is left behind when an ERROR ends it half-way.
CapturePlan DraftPlan(Oid relation, Oid source) {
  CapturePlan plan{};
  plan.relation = relation;
  plan.source = source;
  plan.columns =
      static_cast<CaptureColumn*>(palloc0(sizeof(CaptureColumn) * (kMaxCapturedColumns + 1)));
  List* queues = NIL;
  FillPlan(&plan, &queues);
  plan.queues =
      static_cast<int32*>(palloc(sizeof(int32) * static_cast<Size>(list_length(queues) + 1)));
  ListCell* cell;
  foreach (cell, queues) plan.queues[plan.queue_count++] = lfirst_int(cell);
  qsort(plan.queues, static_cast<size_t>(plan.queue_count), sizeof(int32), CompareInt32);
  return plan;
}

void* Keep(const void* bytes, Size size) {
  void* kept = MemoryContextAlloc(TopMemoryContext, Max(size, 1));
  memcpy(kept, bytes, size);
  return kept;
}

CapturePlan* KeepPlan(const CapturePlan& draft) {
  auto* plan = static_cast<CapturePlan*>(Keep(&draft, sizeof draft));
  plan->queues =
      static_cast<int32*>(Keep(draft.queues, sizeof(int32) * static_cast<Size>(draft.queue_count)));
  plan->columns = static_cast<CaptureColumn*>(
      Keep(draft.columns, sizeof(CaptureColumn) * static_cast<Size>(draft.column_count)));
  return plan;
}

void FreePlan(CapturePlan* plan) {
  pfree(plan->queues);
  pfree(plan->columns);
  pfree(plan);
}

bool SameColumns(const CapturePlan& a, const CapturePlan& b) {
  if (a.column_count != b.column_count || a.unfit != b.unfit) return false;
  for (int i = 0; i < a.column_count; i++) {
    const CaptureColumn &x = a.columns[i], &y = b.columns[i];
    if (x.source_att != y.source_att || x.leaf_att != y.leaf_att || x.type != y.type ||
        x.stamp != y.stamp || x.is_key != y.is_key || x.typlen != y.typlen ||
        x.typbyval != y.typbyval)
      return false;
  }
  return true;
}

void SetQueues(CapturePlan* plan, const CapturePlan& from) {
  const Size size = sizeof(int32) * static_cast<Size>(from.queue_count);
  if (from.queue_count > plan->queue_count)
    plan->queues = static_cast<int32*>(repalloc(plan->queues, size));
  memcpy(plan->queues, from.queues, size);
  plan->queue_count = from.queue_count;
}

// Records of the running transaction may refer to it.
void ReplacePlan(PlanEntry* entry, CapturePlan* plan) {
  if (entry->plan != nullptr) {
    entry->plan->valid = false;
    entry->plan->next = replaced;
    replaced = entry->plan;
  }
  entry->plan = plan;
}

PlanEntry* FindPlan(const PlanKey& key) {
  if (plans == nullptr)
    plans = MakeProcessTable("polyglot_sync plans", sizeof(PlanKey), sizeof(PlanEntry));
  return static_cast<PlanEntry*>(hash_search(plans, &key, HASH_FIND, nullptr));
}

}  // namespace

CapturePlan* LookupCapturePlan(Oid relation, Oid source) {
  const PlanKey key = {relation, source};
  PlanEntry* entry = FindPlan(key);
  if (entry != nullptr && entry->plan->valid) return entry->plan;
  const uint64 before = invalidations;
  const CapturePlan now = DraftPlan(relation, source);
  // ANALYZE and VACUUM invalidate as well, and change nothing.
  if (entry != nullptr && SameColumns(*entry->plan, now)) {
    SetQueues(entry->plan, now);
  } else {
    CapturePlan* plan = KeepPlan(now);
    bool found;
    entry = static_cast<PlanEntry*>(hash_search(plans, &key, HASH_ENTER, &found));
    if (!found) entry->plan = nullptr;
    ReplacePlan(entry, plan);
  }
  pfree(now.queues);
  pfree(now.columns);
  entry->plan->valid = before == invalidations;  // else it is read again at its next use
  any_stale |= !entry->plan->valid;
  return entry->plan;
}

void RefreshPlanQueues(CapturePlan* plan) {
  if (plan->valid) return;
  const CapturePlan* now = LookupCapturePlan(plan->relation, plan->source);
  if (now != plan) SetQueues(plan, *now);
}

uint64 CapturePlanEpoch() { return plan_epoch; }

void ReleaseStalePlans() {
  if (replaced == nullptr && !any_stale) return;
  plan_epoch++;
  while (replaced != nullptr) {
    CapturePlan* next = replaced->next;
    FreePlan(replaced);
    replaced = next;
  }
  any_stale = false;
  if (plans == nullptr) return;
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, plans);
  while (auto* entry = static_cast<PlanEntry*>(hash_seq_search(&scan))) {
    if (entry->plan->valid) continue;
    FreePlan(entry->plan);
    (void)hash_search(plans, &entry->key, HASH_REMOVE, nullptr);
  }
}

void CheckCapturedColumns(Oid source) {
  if (!DraftPlan(source, source).unfit) return;
  ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
                  errmsg("the syncs of table \"%s\" have more than %d key and routing columns",
                         get_rel_name(source), kMaxCapturedColumns),
                  errhint("Let syncs share keys and routing columns.")));
}

void InitCapturePlans() {
  CacheRegisterRelcacheCallback(OnRelcacheInvalidation, static_cast<Datum>(0));
}

}  // namespace polyglot::pg
