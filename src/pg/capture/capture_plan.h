#pragma once
// What the capture of one relation must record, and into which queues: cached in each backend until
// the relation's definition or any of its syncs changes (relcache invalidation).

#include "core/queue_record.h"
#include "pg/prelude.h"

namespace polyglot::pg {

inline constexpr int kMaxCapturedColumns = INDEX_MAX_KEYS + 16;

struct CaptureColumn {
  AttrNumber source_att;  // in the source relation: what is recorded
  AttrNumber leaf_att;    // in the relation that the trigger fired on
  Oid type;
  int16 typlen;
  bool typbyval;
};

/// Lives until the end of the transaction at least; a plan is never freed while records refer to
/// it.
struct CapturePlan {
  Oid relation;  // relation that the trigger fired on
  Oid source;    // relation that the syncs name
  bool valid;    // false: look it up again
  int queue_count;
  int32* queues;  // ids of the queues that want these records
  int column_count;
  CaptureColumn columns[kMaxCapturedColumns];
};

/// The plan for a trigger of `source` that fired on `relation` (often the same). Never nullptr; no
/// queue in it: nobody wants records.
CapturePlan* LookupCapturePlan(Oid relation, Oid source);
/// Looks an invalidated plan up again, in place for the queues (records written under it keep their
/// columns).
void RefreshPlanQueues(CapturePlan* plan);

/// Queues and their tables, cached like plans. false: there is no such queue any more.
struct QueueTarget {
  Oid tables[2];
};
bool LookupQueueTarget(int32 queue, QueueTarget* target);
/// Cached InstanceNumber() of this database.
int32 CachedInstanceNumber();

void InitCapturePlans();

}  // namespace polyglot::pg
