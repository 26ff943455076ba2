#include "pg/queue/queue_targets.h"

#include "pg/catalog/own_relations.h"
#include "pg/catalog/sync_row.h"
#include "pg/process_table.h"

namespace polyglot::pg {
namespace {

struct QueueEntry {
  int32 queue;
  QueueTarget target;
};

HTAB* queue_targets = nullptr;
bool queue_targets_valid = false;
int32 instance_number = 0;
uint64 invalidations = 0;

void OnRelcacheInvalidation(Datum, Oid) {
  invalidations++;
  queue_targets_valid = false;
}

void LoadQueueTargets() {
  if (queue_targets != nullptr) hash_destroy(queue_targets);
  queue_targets = nullptr;  // should there be no memory for the next one
  queue_targets = MakeProcessTable("polyglot_sync queues", sizeof(int32), sizeof(QueueEntry));
  const uint64 before = invalidations;
  const Oid oid = OurRelationOrError("queue"), instance_oid = OurRelationOrError("instance");
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

void InitQueueTargets() {
  CacheRegisterRelcacheCallback(OnRelcacheInvalidation, static_cast<Datum>(0));
}

}  // namespace polyglot::pg
