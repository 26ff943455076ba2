#pragma once
// What the capture of one relation must record, and into which queues: cached in each backend until
// the relation's definition or any of its syncs changes (relcache invalidation).

#include "pg/prelude.h"

namespace polyglot::pg {

/// Key and routing columns that all syncs of one source may have together: their headers must leave
/// room for values in a queue row.
inline constexpr int kMaxCapturedColumns = 256;

struct CaptureColumn {
  AttrNumber source_att;  // in the source relation: what is recorded
  AttrNumber leaf_att;    // in the relation that the trigger fired on
  Oid type;
  Oid stamp;  // of the recorded bytes: StampOf(type)
  int16 typlen;
  bool typbyval;
  bool is_key;  // of some sync; else a routing
};

/// Lives until the end of the transaction at least: records refer to it.
struct CapturePlan {
  Oid relation;     // relation that the trigger fired on
  Oid source;       // relation that the syncs name
  bool valid;       // false: look it up again
  bool unfit;       // more columns than a record takes: every change is an unknown one
  int queue_count;  // 0: nobody wants records
  int32* queues;    // ids of the queues that want these records
  int column_count;
  CaptureColumn* columns;
  CapturePlan* next;  // of those that were replaced in this transaction
};

/// The plan for a trigger of `source` that fired on `relation` (often the same). Never nullptr; no
/// queue in it: nobody wants records. ERROR 42P01 when the extension's tables cannot be found: a
/// change that nobody records would be lost without a word.
CapturePlan* LookupCapturePlan(Oid relation, Oid source);
/// Looks an invalidated plan up again, in place for the queues (records written under it keep their
/// columns).
void RefreshPlanQueues(CapturePlan* plan);

/// Another number: pointers to plans that were taken under the last one may be dangling.
uint64 CapturePlanEpoch();
/// At the end of a transaction, when no record refers to a plan: frees those that are out of date.
void ReleaseStalePlans();

/// 54011 when the syncs of the source, as stored now, have more key and routing columns together
/// than a recorded change takes.
void CheckCapturedColumns(Oid source);

void InitCapturePlans();

}  // namespace polyglot::pg
