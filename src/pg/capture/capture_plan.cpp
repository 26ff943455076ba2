#include "pg/capture/capture_plan.h"

#include "pg/capture/source_tree.h"
#include "pg/catalog.h"

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

struct QueueEntry {
  int32 queue;
  QueueTarget target;
};

HTAB* plans = nullptr;
HTAB* queue_targets = nullptr;
bool queue_targets_valid = false;
int32 instance_number = 0;
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

HTAB* MakeTable(const char* name, Size key, Size entry) {
  HASHCTL control;
  memset(&control, 0, sizeof control);
  control.keysize = key;
  control.entrysize = entry;
  control.hcxt = TopMemoryContext;
  return hash_create(name, 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

// Any change of a relation may be a change of its syncs: create, alter and drop of a sync
// invalidate the relcache entries of the whole tree.
void OnRelcacheInvalidation(Datum, Oid relation) {
  invalidations++;
  queue_targets_valid = false;
  if (plans == nullptr) return;
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, plans);
  while (auto* entry = static_cast<PlanEntry*>(hash_seq_search(&scan)))
    if (!OidIsValid(relation) || relation == entry->key.relation || relation == entry->key.source)
      entry->plan->valid = false;
}

int CompareInt32(const void* a, const void* b) {
  const int32 x = *static_cast<const int32*>(a), y = *static_cast<const int32*>(b);
  return (x > y) - (x < y);
}

void AddColumn(CapturePlan* plan, AttrNumber source_att) {
  int at = 0;
  while (at < plan->column_count && plan->columns[at].source_att < source_att) at++;
  if (at < plan->column_count && plan->columns[at].source_att == source_att) return;
  if (plan->column_count == kMaxCapturedColumns)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("syncs of relation %u need more than %d key and routing columns",
                           plan->source, kMaxCapturedColumns)));
  memmove(&plan->columns[at + 1], &plan->columns[at],
          sizeof(CaptureColumn) * static_cast<Size>(plan->column_count - at));
  CaptureColumn* column = &plan->columns[at];
  plan->column_count++;
  column->source_att = source_att;
  column->type = get_atttype(plan->source, source_att);
  get_typlenbyval(column->type, &column->typlen, &column->typbyval);
  char* name = get_attname(plan->source, source_att, false);
  column->leaf_att = plan->relation == plan->source ? source_att : get_attnum(plan->relation, name);
  if (get_atttype(plan->relation, column->leaf_att) != column->type) column->leaf_att = 0;
  pfree(name);
}

// The sync's queue from sync_state; 0: restored from a dump or dropped meanwhile.
int32 QueueOfSync(Relation state, int32 sync) {
  ScanKeyData key;
  ScanKeyInit(&key, kStateSync, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(sync));
  SysScanDesc scan = systable_beginscan(state, InvalidOid, false, nullptr, 1, &key);
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
  int count;
  deconstruct_array(DatumGetArrayTypeP(names), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
                    &elements, nullptr, &count);
  for (int i = 0; i < count; i++) {
    const AttrNumber att = get_attnum(plan->source, NameStr(*DatumGetName(elements[i])));
    if (att > 0) AddColumn(plan, att);
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
  AddKeyColumns(plan, heap_getattr(tuple, kDefKey, desc, &isnull));
  Datum routing = heap_getattr(tuple, kDefRouting, desc, &isnull);
  if (isnull) return;
  const AttrNumber att = get_attnum(plan->source, NameStr(*DatumGetName(routing)));
  if (att > 0) AddColumn(plan, att);
}

// Reads the syncs of the source with the newest snapshot: a transaction whose own snapshot is older
// than a sync must record for it all the same.
void FillPlan(CapturePlan* plan) {
  const Oid definition_oid = OurRelation("sync_definition"), state_oid = OurRelation("sync_state");
  if (!OidIsValid(definition_oid) || !OidIsValid(state_oid)) return;
  // The trigger's name may say anything: its owner can rename it, and a restored one has the number
  // that the table had where it was dumped.
  if (!IsInTree(plan->relation, plan->source)) return;
  Relation definitions = table_open(definition_oid, AccessShareLock);
  Relation states = table_open(state_oid, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, kDefSource, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(plan->source));
  SysScanDesc scan = systable_beginscan(definitions, InvalidOid, false, nullptr, 1, &key);
  List* queues = NIL;
  while (HeapTuple tuple = systable_getnext(scan))
    AddSync(plan, definitions, states, tuple, &queues);
  systable_endscan(scan);
  table_close(states, AccessShareLock);
  table_close(definitions, AccessShareLock);

  plan->queues = static_cast<int32*>(MemoryContextAlloc(
      TopMemoryContext, sizeof(int32) * static_cast<Size>(Max(1, list_length(queues)))));
  plan->queue_count = 0;
  ListCell* cell;
  foreach (cell, queues) plan->queues[plan->queue_count++] = lfirst_int(cell);
  qsort(plan->queues, static_cast<size_t>(plan->queue_count), sizeof(int32), CompareInt32);
}

CapturePlan* BuildPlan(Oid relation, Oid source) {
  auto* plan =
      static_cast<CapturePlan*>(MemoryContextAllocZero(TopMemoryContext, sizeof(CapturePlan)));
  plan->relation = relation;
  plan->source = source;
  const uint64 before = invalidations;
  FillPlan(plan);
  plan->valid = before == invalidations;  // else it is read again at its next use
  return plan;
}

void LoadQueueTargets() {
  if (queue_targets != nullptr) hash_destroy(queue_targets);
  queue_targets = nullptr;  // should there be no memory for the next one
  queue_targets = MakeTable("polyglot_sync queues", sizeof(int32), sizeof(QueueEntry));
  const uint64 before = invalidations;
  const Oid oid = OurRelation("queue"), instance_oid = OurRelation("instance");
  if (!OidIsValid(oid) || !OidIsValid(instance_oid)) return;
  bool isnull;
  Relation rel = table_open(oid, AccessShareLock);
  SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, nullptr, 0, nullptr);
  while (HeapTuple tuple = systable_getnext(scan)) {
    int32 id = DatumGetInt32(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull));
    if (DatumGetObjectId(heap_getattr(tuple, 2, RelationGetDescr(rel), &isnull)) == InvalidOid)
      continue;  // free: its server is gone
    auto* entry = static_cast<QueueEntry*>(hash_search(queue_targets, &id, HASH_ENTER, nullptr));
    for (int i = 0; i < 2; i++)
      entry->target.tables[i] = DatumGetObjectId(
          heap_getattr(tuple, static_cast<AttrNumber>(3 + i), RelationGetDescr(rel), &isnull));
  }
  systable_endscan(scan);
  table_close(rel, AccessShareLock);

  rel = table_open(instance_oid, AccessShareLock);
  scan = systable_beginscan(rel, InvalidOid, false, nullptr, 0, nullptr);
  if (HeapTuple tuple = systable_getnext(scan))
    instance_number = DatumGetInt32(heap_getattr(tuple, 1, RelationGetDescr(rel), &isnull));
  systable_endscan(scan);
  table_close(rel, AccessShareLock);
  queue_targets_valid = before == invalidations;
}

}  // namespace

CapturePlan* LookupCapturePlan(Oid relation, Oid source) {
  if (plans == nullptr)
    plans = MakeTable("polyglot_sync plans", sizeof(PlanKey), sizeof(PlanEntry));
  PlanKey key = {relation, source};
  auto* entry = static_cast<PlanEntry*>(hash_search(plans, &key, HASH_FIND, nullptr));
  if (entry != nullptr && entry->plan->valid) return entry->plan;
  // A plan that was replaced stays alive: records of the running transaction may refer to it. Plans
  // are small and replaced only by DDL, so they are not worth a life-time protocol.
  CapturePlan* plan = BuildPlan(relation, source);
  bool found;
  entry = static_cast<PlanEntry*>(hash_search(plans, &key, HASH_ENTER, &found));
  entry->plan = plan;
  return plan;
}

void RefreshPlanQueues(CapturePlan* plan) {
  if (plan->valid) return;
  CapturePlan* now = LookupCapturePlan(plan->relation, plan->source);
  plan->queues = now->queues;
  plan->queue_count = now->queue_count;
}

bool LookupQueueTarget(int32 queue, QueueTarget* target) {
  if (!queue_targets_valid) LoadQueueTargets();
  auto* entry = static_cast<QueueEntry*>(hash_search(queue_targets, &queue, HASH_FIND, nullptr));
  if (entry == nullptr) return false;
  *target = entry->target;
  return true;
}

int32 CachedInstanceNumber() {
  if (!queue_targets_valid) LoadQueueTargets();
  return instance_number;
}

void InitCapturePlans() {
  CacheRegisterRelcacheCallback(OnRelcacheInvalidation, static_cast<Datum>(0));
}

}  // namespace polyglot::pg
