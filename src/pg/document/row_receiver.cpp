#include "pg/document/row_receiver.h"

#include "core/document_id.h"
#include "core/queue_record.h"
#include "pg/prelude.h"

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

std::uint32_t Offset(const std::string& bytes) { return static_cast<std::uint32_t>(bytes.size()); }

void AppendRow(const RowReceiver& receiver, const TupleTableSlot* slot) {
  const ReadPlan& plan = *receiver.plan;
  std::string& bytes = receiver.out->bytes;
  ReadRow row{};
  CheckKeyNotNull(plan, slot);
  row.id_offset = Offset(bytes);
  AppendIdOfValues(plan, slot->tts_values, &bytes);
  row.id_length = Offset(bytes) - row.id_offset;
  row.key_offset = Offset(bytes);
  AppendPackedKey(plan, slot->tts_values, &bytes);
  row.key_length = Offset(bytes) - row.key_offset;
  row.body_offset = bytes.size();
  if (!receiver.keys_only) {
    row.routing_offset = Offset(bytes);
    if (plan.has_routing) AppendRouting(plan, slot, &bytes);
    row.routing_length = Offset(bytes) - row.routing_offset;
    // Servers take an empty routing for none.
    row.has_routing = row.routing_length > 0;
    row.passes = !plan.has_filter || DatumGetBool(slot->tts_values[plan.passes_column]);
    row.body_offset = bytes.size();
    if (row.passes)
      plan.has_document ? AppendDocument(plan, slot, &bytes) : AppendFields(plan, slot, &bytes);
  }
  row.body_length = bytes.size() - row.body_offset;
  receiver.out->rows.push_back(row);
}

// The executor's frames are above: nothing may be thrown through them.
bool ReceiveRow(TupleTableSlot* slot, DestReceiver* self) {
  auto* receiver = reinterpret_cast<RowReceiver*>(self);
  MemoryContext caller = MemoryContextSwitchTo(receiver->row_memory);
  slot_getallattrs(slot);
  try {
    AppendRow(*receiver, slot);
  } catch (...) {  // only std::bad_alloc and std::length_error are possible
    receiver->out_of_memory = true;
  }
  MemoryContextSwitchTo(caller);
  MemoryContextReset(receiver->row_memory);
  ++receiver->received;
  receiver->truncated = receiver->out->bytes.size() > receiver->stop_bytes;
  return !receiver->out_of_memory && !receiver->truncated;
}

void Startup(DestReceiver*, int, TupleDesc) {}
void Shutdown(DestReceiver*) {}

}  // namespace

void InitReceiver(RowReceiver* receiver, ReadPlan* plan, RowBatch* out, bool keys_only,
                  std::size_t stop_bytes) {
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
  receiver->row_memory =
      AllocSetContextCreate(CurrentMemoryContext, "polyglot row", ALLOCSET_DEFAULT_SIZES);
}

bool PgSha256(const void* data, std::size_t size, std::uint8_t* digest) {
  pg_cryptohash_ctx* context = pg_cryptohash_create(PG_SHA256);
  const bool ok = context != nullptr && pg_cryptohash_init(context) >= 0 &&
                  pg_cryptohash_update(context, static_cast<const uint8*>(data), size) >= 0 &&
                  pg_cryptohash_final(context, digest, PG_SHA256_DIGEST_LENGTH) >= 0;
  pg_cryptohash_free(context);
  return ok;
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
