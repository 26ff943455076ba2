// polyglot.outbox_rows(): the events in the queue and the parked keys, as rows of polyglot.outbox.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "pg/catalog/own_rights.h"
#include "pg/encoding.h"
#include "pg/guard.h"
#include "pg/sql/outbox_scan.h"
#include "pg/sql/visibility.h"

namespace polyglot::pg {
namespace {

constexpr int kColumns = 8;
constexpr int kPage = 1000;  // parked keys in memory at once

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
    for (const auto& sync : syncs_) AddParked(*sync);
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
    Emit(sync, event_id, NameOf(event.kind), has_key ? &packed : nullptr, has_key ? &id : nullptr,
         &row.xid, row.captured_at, sync.acknowledged.Sees(row.xid));
  }

  // Page by page: there may be as many as the table has rows.
  void AddParked(const OutboxSync& sync) {
    Portal portal = Call([&] { return OpenParked(sync.row->id); });
    for (bool more = true; more;) {
      std::vector<ParkedKey> keys;
      more = FetchParked(portal, &keys);
      for (const ParkedKey& key : keys) {
        const std::string event_id = "parked/" + std::to_string(sync.row->id) + "/" + key.id;
        Emit(sync, event_id.c_str(), "parked", &key.key, &key.id, nullptr, key.captured_at, false);
      }
    }
    Call([&] { SPI_cursor_close(portal); });
  }

  struct ParkedKey {
    std::string id, key;
    TimestampTz captured_at;
  };

  // What is committed now: an event that is parked counts as processed, because there is such a
  // row.
  static Portal OpenParked(int32 sync) {
    AsExtensionOwner as_owner;
    Oid types[] = {INT4OID};
    Datum values[] = {Int32GetDatum(sync)};
    PushActiveSnapshot(GetLatestSnapshot());
    Portal portal =
        SPI_cursor_open_with_args(nullptr,
                                  "SELECT document_id, key, captured_at FROM polyglot.parked_key"
                                  " WHERE sync_id OPERATOR(pg_catalog.=) $1",
                                  1, types, values, nullptr, true, 0);
    PopActiveSnapshot();
    return portal;
  }

  static bool FetchParked(Portal portal, std::vector<ParkedKey>* keys) {
    uint64 rows = 0;
    Call([&] {
      SPI_cursor_fetch(portal, true, kPage);
      rows = SPI_processed;
    });
    SPITupleTable* table = SPI_tuptable;
    for (uint64 i = 0; i < rows; i++) keys->push_back(ReadParked(table, i));
    Call([&] { SPI_freetuptable(table); });
    return rows > 0;
  }

  static ParkedKey ReadParked(SPITupleTable* table, uint64 row) {
    std::string_view key;
    const char* id = nullptr;
    ParkedKey parked;
    Call([&] {
      bool isnull;
      HeapTuple tuple = table->vals[row];
      id = SPI_getvalue(tuple, table->tupdesc, 1);
      auto* bytes = DatumGetByteaPP(SPI_getbinval(tuple, table->tupdesc, 2, &isnull));
      key = {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
      parked.captured_at = DatumGetTimestampTz(SPI_getbinval(tuple, table->tupdesc, 3, &isnull));
    });
    parked.id = ExactInUtf8(id);
    parked.key = key;
    Call([&] { pfree(const_cast<char*>(id)); });
    return parked;
  }

  void Emit(const OutboxSync& sync, const char* event_id, const char* operation,
            const std::string* packed, const std::string* id, const std::uint64_t* xid,
            TimestampTz created_at, bool processed) {
    // A parked key may have been recorded as other types than the columns have now: it has an id,
    // and no key.
    std::string json;
    PgError error;
    const bool has_key =
        packed != nullptr && sync.has_keys && sync.reader->KeyJson(*packed, &json, &error);
    Call([&] {
      MemoryContext caller = MemoryContextSwitchTo(row_context_);
      Datum out[kColumns] = {};
      bool nulls[kColumns] = {};
      out[0] = CStringGetTextDatum(ReadableInServer(event_id));
      out[1] = CStringGetTextDatum(sync.row->name);
      out[2] = CStringGetTextDatum(operation);
      nulls[3] = !has_key;
      if (has_key) out[3] = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.c_str()));
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
