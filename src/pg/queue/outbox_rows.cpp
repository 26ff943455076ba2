// polyglot.outbox_rows(): the events in the queue and the parked keys, as rows of polyglot.outbox.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "pg/encoding.h"
#include "pg/guard.h"
#include "pg/queue/outbox_scan.h"
#include "pg/sql/visibility.h"

namespace polyglot::pg {
namespace {

constexpr int kColumns = 8;

class OutboxRows {
 public:
  OutboxRows(ReturnSetInfo* result, MemoryContext row_context)
      : result_(result), row_context_(row_context) {}

  void Run() {
    SyncRow** rows = nullptr;
    int count = 0;
    Call([&] { rows = LoadSyncs(InvalidOid, &count); });
    for (int i = 0; i < count; i++) AddSync(rows[i]);
    std::vector<std::int32_t> queues;
    for (const auto& sync : syncs_)
      if (std::find(queues.begin(), queues.end(), sync->row->queue) == queues.end())
        queues.push_back(sync->row->queue);
    for (const auto& sync : syncs_) AddParked(sync.get());
    for (std::int32_t queue : queues) ReadOne(queue);
  }

 private:
  void AddSync(const SyncRow* row) {
    if (!row->has_state || !row->source_exists) return;
    bool visible = false;
    Call([&] { visible = MaySee(row); });
    if (!visible) return;
    syncs_.push_back(OpenOutboxSync(row));
  }

  void ReadOne(std::int32_t queue) {
    VisitQueue(queue, [&](const core::KeyEvent& event, const QueueRow& row, int number) {
      char id[96];
      snprintf(id, sizeof id, "%d/%u/%u/%u/%d", queue, row.table, row.block, row.line_pointer,
               number);
      for (const auto& sync : syncs_)
        if (sync->row->queue == queue && sync->row->source == event.source)
          AddEvent(*sync, id, event, row);
    });
  }

  static const char* NameOf(core::EventKind kind) {
    switch (kind) {
      case core::EventKind::kInsert:
        return "insert";
      case core::EventKind::kUpdate:
        return "update";
      case core::EventKind::kDelete:
        return "delete";
      case core::EventKind::kEnqueue:
        return "enqueue";
      case core::EventKind::kTruncate:
        return "truncate";
      default:
        return "resync";
    }
  }

  void AddEvent(const OutboxSync& sync, const char* event_id, const core::KeyEvent& event,
                const QueueRow& row) {
    std::string packed, id;
    PgError error;
    const bool has_key =
        KeyOfEvent(sync, event, &packed) && sync.reader->IdOfKey(packed, &id, &error);
    const bool processed =
        sync.acknowledged.Sees(row.xid) && !WaitsParked(sync, has_key ? &id : nullptr);
    Emit(sync, event_id, NameOf(event.kind), has_key ? &packed : nullptr, has_key ? &id : nullptr,
         &row.xid, row.captured_at, processed);
  }

  bool WaitsParked(const OutboxSync& sync, const std::string* id) {
    if (id == nullptr || sync.parked == 0) return false;
    bool parked = false;
    char number[16];
    snprintf(number, sizeof number, "%d", sync.row->id);
    Call([&] {
      AsExtensionOwner as_owner;
      const char* text = ExactInServer(*id);
      parked = Execute(
                   "SELECT 1 FROM polyglot.parked_key WHERE sync_id = $1::pg_catalog.int4"
                   " AND document_id = $2",
                   {number, text}) > 0;
    });
    return parked;
  }

  void AddParked(OutboxSync* owner) {
    const OutboxSync& sync = *owner;
    struct Parked {
      std::string id, key;
      TimestampTz captured_at;
    };
    std::vector<Parked> parked;
    char number[16];
    snprintf(number, sizeof number, "%d", sync.row->id);
    uint64 rows = 0;
    Call([&] {
      AsExtensionOwner as_owner;
      rows = Execute(
          "SELECT document_id, key, captured_at FROM polyglot.parked_key"
          " WHERE sync_id = $1::pg_catalog.int4",
          {number});
    });
    owner->parked = rows;
    for (uint64 i = 0; i < rows; i++) {
      std::string_view id, key;
      TimestampTz captured_at = 0;
      Call([&] {
        bool isnull;
        HeapTuple tuple = SPI_tuptable->vals[i];
        TupleDesc desc = SPI_tuptable->tupdesc;
        const char* stored = TextDatumGetCString(SPI_getbinval(tuple, desc, 1, &isnull));
        auto* bytes = DatumGetByteaPP(SPI_getbinval(tuple, desc, 2, &isnull));
        id = ToUtf8(stored, strlen(stored));
        key = {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
        captured_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 3, &isnull));
      });
      parked.push_back({std::string(id), std::string(key), captured_at});
    }
    for (const Parked& p : parked) {
      const std::string event_id = "parked/" + std::to_string(sync.row->id) + "/" + p.id;
      Emit(sync, event_id.c_str(), "parked", &p.key, &p.id, nullptr, p.captured_at, false);
    }
  }

  // {"id": 42}: numbers and booleans as such, everything else as text.
  Datum KeyJson(const OutboxSync& sync, const std::vector<std::string_view>& values) {
    JsonbParseState* state = nullptr;
    pushJsonbValue(&state, WJB_BEGIN_OBJECT, nullptr);
    for (int i = 0; i < sync.row->key_count; i++) {
      JsonbValue name, value;
      name.type = jbvString;
      name.val.string.val = sync.row->key_name[i];
      name.val.string.len = static_cast<int>(strlen(sync.row->key_name[i]));
      pushJsonbValue(&state, WJB_KEY, &name);
      const KeyColumn& column = sync.keys[i];
      char* text = ServerText(column, ValueFromBytes(column, values[static_cast<size_t>(i)]));
      const bool number =
          column.base_type == INT2OID || column.base_type == INT4OID || column.base_type == INT8OID;
      value.type = number ? jbvNumeric : jbvString;
      if (number) {
        value.val.numeric = DatumGetNumeric(DirectFunctionCall3(
            numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
      } else {
        value.val.string.val = text;
        value.val.string.len = static_cast<int>(strlen(text));
      }
      pushJsonbValue(&state, WJB_VALUE, &value);
    }
    return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, nullptr)));
  }

  void Emit(const OutboxSync& sync, const char* event_id, const char* operation,
            const std::string* packed, const std::string* id, const std::uint64_t* xid,
            TimestampTz created_at, bool processed) {
    std::vector<core::CapturedColumn> columns;
    std::vector<std::string_view> values;
    const bool has_key = packed != nullptr && sync.has_keys &&
                         core::ParseKey(*packed, &columns, &values) &&
                         static_cast<int>(values.size()) == sync.row->key_count;
    Call([&] {
      MemoryContext caller = MemoryContextSwitchTo(row_context_);
      Datum out[kColumns] = {};
      bool nulls[kColumns] = {};
      out[0] = CStringGetTextDatum(ReadableInServer(event_id));
      out[1] = CStringGetTextDatum(sync.row->name);
      out[2] = CStringGetTextDatum(operation);
      nulls[3] = !has_key;
      if (has_key) out[3] = KeyJson(sync, values);
      nulls[4] = id == nullptr;
      if (id != nullptr) {
        out[4] = CStringGetTextDatum(ExactInServer(*id));
      }
      nulls[5] = xid == nullptr;
      if (xid != nullptr) out[5] = UInt64GetDatum(*xid);
      out[6] = TimestampTzGetDatum(created_at);
      out[7] = BoolGetDatum(processed);
      tuplestore_putvalues(result_->setResult, result_->setDesc, out, nulls);
      MemoryContextSwitchTo(caller);
      MemoryContextReset(row_context_);
    });
  }

  ReturnSetInfo* result_;
  MemoryContext row_context_;  // reset after each row
  std::vector<std::unique_ptr<OutboxSync>> syncs_;
};

}  // namespace
}  // namespace polyglot::pg

extern "C" {

PG_FUNCTION_INFO_V1(polyglot_outbox_rows);
PGDLLEXPORT Datum polyglot_outbox_rows(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  InitMaterializedSRF(fcinfo, 0);
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  SPI_connect();
  MemoryContext row_context =
      AllocSetContextCreate(CurrentMemoryContext, "polyglot_sync outbox", ALLOCSET_DEFAULT_SIZES);
  Enter([result, row_context] { OutboxRows(result, row_context).Run(); });
  SPI_finish();
  return static_cast<Datum>(0);
}

}  // extern "C"
