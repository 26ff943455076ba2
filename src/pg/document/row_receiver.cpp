#include "pg/document/row_receiver.h"

#include "core/document_id.h"
#include "core/queue/queue_record.h"
#include "pg/document/type_encoder.h"
#include "pg/prelude.h"
#include "pg/sha256.h"

namespace polyglot::pg {
namespace {

void AppendFields(const ReadPlan& plan, const TupleTableSlot* slot, std::string* out) {
  out->push_back('{');
  for (int i = 0; i < plan.field_count; ++i) {
    const FieldEncoder& field = plan.fields[i];
    const int column = plan.body_column + i;
    if (i > 0) out->push_back(',');
    out->append(field.prefix, field.prefix_length);
    EncodeValue(field.type, slot->tts_values[column], slot->tts_isnull[column], out);
  }
  out->push_back('}');
}

void AppendDocument(const ReadPlan& plan, const TupleTableSlot* slot, std::string* out) {
  const std::size_t begin = out->size();
  const bool null = slot->tts_isnull[plan.body_column];
  EncodeValue(plan.document, slot->tts_values[plan.body_column], null, out);
  if ((*out)[begin] != '{')
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("the document expression yields %s for this row, not a JSON object",
                           null ? "NULL" : "a JSON array or scalar")));
}

std::size_t LeastSize(const ReadPlan& plan, const TupleTableSlot* slot) {
  std::size_t least = 0;
  const auto add = [&](const TypeEncoder& type, int column) {
    if (!slot->tts_isnull[column]) least += LeastSize(type, slot->tts_values[column]);
  };
  if (plan.has_document) add(*plan.document, plan.body_column);
  for (int i = 0; i < plan.field_count; ++i) add(*plan.fields[i].type, plan.body_column + i);
  return least;
}

// false: it would get too large. What of it was made is thrown away by the caller.
bool AppendBody(RowReceiver* receiver, const TupleTableSlot* slot) {
  const ReadPlan& plan = *receiver->plan;
  std::string* bytes = &receiver->out->bytes;
  const std::size_t begin = bytes->size();
  if (LeastSize(plan, slot) > receiver->max_document) return false;
  document_end = begin + receiver->max_document;
  try {
    plan.has_document ? AppendDocument(plan, slot, bytes) : AppendFields(plan, slot, bytes);
    CheckDocumentEnd(bytes->size());
  } catch (const DocumentTooLarge&) {
    receiver->wasted += bytes->size() - begin;
    return false;
  }
  return true;
}

// A dead letter of its own: no other row is to be read once more for it.
void Refuse(RowReceiver* receiver, const ReadRow& row) {
  RowBatch* out = receiver->out;
  PgError error{};
  error.sqlstate = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
  snprintf(error.message, sizeof error.message,
           "document too large: more than %zu bytes (max_document_bytes)", receiver->max_document);
  strlcpy(error.hint,
          "Leave out columns, or raise the sync's option \"max_document_bytes\" if the search "
          "server takes larger requests.",
          sizeof error.hint);
  out->failures.push_back({std::string(out->Id(row)), std::string(out->Key(row)), error});
  out->bytes.resize(row.id_offset);
  if (receiver->wasted > 0) out->bytes.shrink_to_fit();
}

void AppendPackedKey(const ReadPlan& plan, const Datum* values, std::string* out) {
  out->append(plan.key_header, plan.key_header_length);
  for (int i = 0; i < plan.key_count; ++i) {
    char scratch[8];
    core::AppendValue(out, ValueBytes(plan.key[i], values[i], scratch));
  }
}

void AppendRouting(const ReadPlan& plan, const TupleTableSlot* slot, std::string* out) {
  char scratch[40];
  if (slot->tts_isnull[plan.key_count]) return;
  const Datum value = slot->tts_values[plan.key_count];
  char bytes[8];
  if (ValueBytes(plan.routing, value, bytes).size() > kLongestRouting)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("routing value of column \"%s\" is longer than %d bytes",
                           plan.routing.name, static_cast<int>(kLongestRouting))));
  out->append(ValueText(plan.routing, value, scratch));
}

void CheckKeyNotNull(const ReadPlan& plan, const TupleTableSlot* slot) {
  for (int i = 0; i < plan.key_count; ++i)
    if (slot->tts_isnull[i])
      ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
                      errmsg("key column \"%s\" is null", plan.key[i].name)));
}

std::uint32_t LengthFrom(std::size_t begin, const std::string& bytes) {
  return static_cast<std::uint32_t>(bytes.size() - begin);
}

void AppendRow(RowReceiver* receiver, const TupleTableSlot* slot) {
  const ReadPlan& plan = *receiver->plan;
  std::string& bytes = receiver->out->bytes;
  ReadRow row{};
  CheckKeyNotNull(plan, slot);
  row.id_offset = bytes.size();
  AppendIdOfValues(plan, slot->tts_values, &bytes);
  row.id_length = LengthFrom(row.id_offset, bytes);
  row.key_offset = bytes.size();
  AppendPackedKey(plan, slot->tts_values, &bytes);
  row.key_length = LengthFrom(row.key_offset, bytes);
  row.body_offset = bytes.size();
  if (!receiver->keys_only) {
    row.routing_offset = bytes.size();
    if (plan.has_routing) AppendRouting(plan, slot, &bytes);
    row.routing_length = LengthFrom(row.routing_offset, bytes);
    // Servers take an empty routing for none.
    row.has_routing = row.routing_length > 0;
    row.passes = !plan.has_filter || DatumGetBool(slot->tts_values[plan.passes_column]);
    row.body_offset = bytes.size();
    if (row.passes && !AppendBody(receiver, slot)) return Refuse(receiver, row);
  }
  row.body_length = bytes.size() - row.body_offset;
  receiver->out->rows.push_back(row);
}

// The executor's frames are above: nothing may be thrown through them.
bool ReceiveRow(TupleTableSlot* slot, DestReceiver* self) {
  auto* receiver = reinterpret_cast<RowReceiver*>(self);
  if (receiver->range != nullptr) {
    slot_getsomeattrs(slot, 1);
    if (!receiver->range->Wants(receiver->plan->key[0], slot->tts_values[0])) return true;
  }
  MemoryContext caller = MemoryContextSwitchTo(receiver->row_memory);
  slot_getallattrs(slot);
  const std::size_t rows = receiver->out->rows.size();
  try {
    AppendRow(receiver, slot);
  } catch (...) {  // only std::bad_alloc and std::length_error are possible
    receiver->out_of_memory = true;
  }
  MemoryContextSwitchTo(caller);
  MemoryContextReset(receiver->row_memory);
  RowBatch* out = receiver->out;
  ++out->received;
  out->last_failed = out->rows.size() == rows;
  const std::size_t bytes = out->bytes.size();
  receiver->truncated = bytes > receiver->stop_bytes ||
                        receiver->wasted > receiver->stop_bytes - bytes ||
                        (receiver->stop_at != 0 && GetCurrentTimestamp() >= receiver->stop_at);
  return !receiver->out_of_memory && !receiver->truncated;
}

void Startup(DestReceiver*, int, TupleDesc) {}
void Shutdown(DestReceiver*) {}

}  // namespace

void InitReceiver(RowReceiver* receiver, ReadPlan* plan, RowBatch* out, bool keys_only,
                  std::size_t stop_bytes, std::size_t max_document) {
  *receiver = RowReceiver{};
  receiver->base.receiveSlot = ReceiveRow;
  receiver->base.rStartup = Startup;
  receiver->base.rShutdown = Shutdown;
  receiver->base.rDestroy = Shutdown;
  receiver->base.mydest = DestNone;
  receiver->plan = plan;
  receiver->out = out;
  receiver->keys_only = keys_only;
  receiver->stop_bytes = stop_bytes;
  receiver->max_document = max_document;
  receiver->row_memory =
      AllocSetContextCreate(CurrentMemoryContext, "polyglot row", ALLOCSET_DEFAULT_SIZES);
}

void AppendIdOfValues(const KeyPlan& plan, const Datum* values, std::string* out) {
  const std::size_t begin = out->size();
  bool is_text = true;
  for (int i = 0; i < plan.key_count; ++i) {
    char scratch[40];
    std::string_view text;
    is_text &= TryValueText(plan.key[i], values[i], scratch, &text);
    core::AppendKeyText(text, i, plan.key_count, out);
  }
  if (!is_text) out->insert(begin, 1, core::kNoText);
  if (!core::FinishDocumentId(begin, PgSha256, out))
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a SHA-256")));
}

}  // namespace polyglot::pg
