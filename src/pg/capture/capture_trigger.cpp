// polyglot.capture(): the row and TRUNCATE trigger of every synced relation. It only appends the
// key and routing values of the changed row to the transaction's buffer.

#include "pg/capture/capture_plan.h"
#include "pg/capture/transaction_buffer.h"
#include "pg/capture/trigger_install.h"
#include "pg/definition/sync_definition.h"
#include "pg/document/key_codec.h"
#include "pg/prelude.h"

namespace polyglot::pg {
namespace {

// The trigger is named after the relation it was created on; its clones on partitions keep the
// name. Anybody may create a trigger that calls our function: it records what one of ours would, or
// nothing. InvalidOid: it is none of ours.
Oid SourceOfTrigger(const TriggerData* data) {
  if (!TRIGGER_FIRED_AFTER(data->tg_event)) return InvalidOid;
  const bool truncate = TRIGGER_FIRED_BY_TRUNCATE(data->tg_event);
  if (!truncate && !TRIGGER_FIRED_FOR_ROW(data->tg_event)) return InvalidOid;
  bool of_truncate;
  const Oid source = SourceOfTriggerName(data->tg_trigger->tgname, &of_truncate);
  return truncate == of_truncate ? source : InvalidOid;
}

// What lets the statement go on as if the trigger were not there.
Datum Unchanged(const TriggerData* data) {
  if (!TRIGGER_FIRED_FOR_ROW(data->tg_event) || TRIGGER_FIRED_AFTER(data->tg_event))
    return PointerGetDatum(nullptr);
  return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple
                                                                 : data->tg_trigtuple);
}

// Plans of the triggers that fired last: a short statement would pay more for parsing the name and
// searching the table of plans than for everything else here. nullptr: it is none of our triggers.
CapturePlan* PlanOf(const TriggerData* data) {
  struct Recent {
    Oid trigger;
    uint64 epoch;
    TriggerEvent event;
    CapturePlan* plan;
  };
  static Recent recent[16];
  const Oid trigger = data->tg_trigger->tgoid, relation = RelationGetRelid(data->tg_relation);
  // What decides whether it is ours beside its name, for which its relation is invalidated.
  const TriggerEvent event =
      data->tg_event & (TRIGGER_EVENT_ROW | TRIGGER_EVENT_TIMINGMASK | TRIGGER_EVENT_TRUNCATE);
  Recent* entry = &recent[trigger % lengthof(recent)];
  if (entry->trigger == trigger && entry->epoch == CapturePlanEpoch() && entry->event == event &&
      entry->plan->valid && entry->plan->relation == relation)
    return entry->plan;
  const Oid source = SourceOfTrigger(data);
  if (!OidIsValid(source)) return nullptr;
  CapturePlan* plan = LookupCapturePlan(relation, source);
  *entry = {trigger, CapturePlanEpoch(), event, plan};
  return plan;
}

// One scratch buffer each for the new and the old values; kept for the life of the backend.
StringInfo Scratch(StringInfo* scratch) {
  if (*scratch == nullptr) {
    MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
    *scratch = makeStringInfo();
    MemoryContextSwitchTo(old);
  }
  resetStringInfo(*scratch);
  return *scratch;
}

void AppendLength(StringInfo out, uint16 length) {
  appendBinaryStringInfoNT(out, reinterpret_cast<const char*>(&length), sizeof length);
}

void AppendNull(StringInfo out) { AppendLength(out, core::kNullLength); }

// A value that is too long is left out: without one of a key column there is no event, and no
// document has such a routing (kLongestRouting).
bool AppendBytes(StringInfo out, const char* bytes, Size length, bool is_key) {
  if (length >= core::kNullLength || (!is_key && length > kLongestRouting)) {
    AppendNull(out);
    return !is_key;
  }
  AppendLength(out, static_cast<uint16>(length));
  appendBinaryStringInfoNT(out, bytes, static_cast<int>(length));
  return true;
}

bool AppendVarlena(StringInfo out, Datum value, bool is_key) {
  struct varlena* packed = PG_DETOAST_DATUM_PACKED(value);
  const char* payload = VARDATA_ANY(packed);
  const char* bytes = payload;
  Size length = VARSIZE_ANY_EXHDR(packed);
  StorePayload(&bytes, &length);
  const bool fits = AppendBytes(out, bytes, length, is_key);
  if (bytes != payload) pfree(const_cast<char*>(bytes));
  if (reinterpret_cast<Pointer>(packed) != DatumGetPointer(value)) pfree(packed);
  return fits;
}

// false: the value of a key column is too long for a queue record.
bool AppendDatum(StringInfo out, const CaptureColumn* column, Datum value) {
  if (column->typbyval) {
    char bytes[sizeof(Datum)];
    store_att_byval(bytes, value, column->typlen);
    return AppendBytes(out, bytes, static_cast<Size>(column->typlen), column->is_key);
  }
  if (column->typlen > 0)
    return AppendBytes(out, DatumGetPointer(value), static_cast<Size>(column->typlen),
                       column->is_key);
  if (column->typlen == -2) {
    const char* text = DatumGetCString(value);
    return AppendBytes(out, text, strlen(text), column->is_key);
  }
  return AppendVarlena(out, value, column->is_key);
}

bool AppendSlot(StringInfo out, const CapturePlan* plan, TupleTableSlot* slot) {
  for (int i = 0; i < plan->column_count; i++) {
    const CaptureColumn* column = &plan->columns[i];
    bool isnull = true;
    const Datum value = column->leaf_att > 0 ? slot_getattr(slot, column->leaf_att, &isnull) : 0;
    if (isnull)
      AppendNull(out);
    else if (!AppendDatum(out, column, value))
      return false;
  }
  return true;
}

void RecordRow(CapturePlan* plan, core::EventKind kind, TupleTableSlot* slot) {
  static StringInfo scratch = nullptr;
  StringInfo values = Scratch(&scratch);
  if (AppendSlot(values, plan, slot))
    AppendRecord(plan, kind, values->data, values->len);
  else
    AppendRecord(plan, core::EventKind::kResync, nullptr, 0);
}

// As suppress_redundant_updates_trigger (utils/adt/trigfuncs.c) compares: the same bytes.
bool SameTuple(HeapTuple a, HeapTuple b) {
  HeapTupleHeader x = a->t_data, y = b->t_data;
  return a->t_len == b->t_len && x->t_hoff == y->t_hoff &&
         HeapTupleHeaderGetNatts(x) == HeapTupleHeaderGetNatts(y) &&
         (x->t_infomask & ~HEAP_XACT_MASK) == (y->t_infomask & ~HEAP_XACT_MASK) &&
         memcmp(reinterpret_cast<char*>(x) + SizeofHeapTupleHeader,
                reinterpret_cast<char*>(y) + SizeofHeapTupleHeader,
                a->t_len - SizeofHeapTupleHeader) == 0;
}

void RecordUpdate(CapturePlan* plan, const TriggerData* data) {
  if (SameTuple(data->tg_trigtuple, data->tg_newtuple)) return;
  static StringInfo old_scratch = nullptr, new_scratch = nullptr;
  StringInfo before = Scratch(&old_scratch), after = Scratch(&new_scratch);
  if (!AppendSlot(before, plan, data->tg_trigslot) || !AppendSlot(after, plan, data->tg_newslot)) {
    AppendRecord(plan, core::EventKind::kResync, nullptr, 0);
    return;
  }
  if (before->len != after->len ||
      memcmp(before->data, after->data, static_cast<size_t>(after->len)) != 0)
    AppendRecord(plan, core::EventKind::kDelete, before->data, before->len);
  AppendRecord(plan, core::EventKind::kUpdate, after->data, after->len);
}

}  // namespace
}  // namespace polyglot::pg

extern "C" {

PG_FUNCTION_INFO_V1(polyglot_capture);
PGDLLEXPORT Datum polyglot_capture(PG_FUNCTION_ARGS) {
  using namespace polyglot;
  using namespace polyglot::pg;
  if (!CALLED_AS_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("polyglot.capture() can only be called as a trigger")));
  auto* data = reinterpret_cast<TriggerData*>(fcinfo->context);
  CapturePlan* plan = PlanOf(data);
  if (plan == nullptr || plan->queue_count == 0) return Unchanged(data);
  if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)) {
    // A row, not only an event: the worker must know before it reads any other event of this
    // transaction, and any row of the table.
    RequestRebuilds(plan->source, "TRUNCATE", LiveIndex::kFrozen);
    AppendRecord(plan, core::EventKind::kTruncate, nullptr, 0);
  } else if (TRIGGER_FIRED_BY_INSERT(data->tg_event)) {
    RecordRow(plan, core::EventKind::kInsert, data->tg_trigslot);
  } else if (TRIGGER_FIRED_BY_DELETE(data->tg_event)) {
    RecordRow(plan, core::EventKind::kDelete, data->tg_trigslot);
  } else {
    RecordUpdate(plan, data);
  }
  return PointerGetDatum(nullptr);
}

// Rows of our own tables that an apply worker brings belong to another database.
PG_FUNCTION_INFO_V1(polyglot_ignore_replicated);
PGDLLEXPORT Datum polyglot_ignore_replicated(PG_FUNCTION_ARGS) {
  if (!CALLED_AS_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("polyglot.ignore_replicated() can only be called as a trigger")));
  return PointerGetDatum(nullptr);
}

}  // extern "C"
