#include "pg/sql/outbox_scan.h"

#include <algorithm>

#include "pg/catalog/instance.h"
#include "pg/catalog/queue_tables.h"
#include "pg/clock.h"
#include "pg/document/key_codec.h"
#include "pg/guard.h"
#include "pg/queue/acknowledged.h"

namespace polyglot::pg {
namespace {

constexpr std::int64_t kRecordsPerStep = 10000;

// The reader throws only bad_alloc, and only between its PostgreSQL calls; these may be cancelled,
// or find their table locked.
bool Step(QueueReader* reader, QueueRows* rows) {
  bool complete = false, out_of_memory = false;
  Call([&] {
    try {
      complete = reader->Step(true, kRecordsPerStep, MonotonicNow(), rows);
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
  });
  if (out_of_memory) throw std::bad_alloc();
  return complete;
}

}  // namespace

std::unique_ptr<OutboxSync> OpenOutboxSync(const SyncRow* row) {
  auto sync = std::make_unique<OutboxSync>();
  sync->row = row;
  sync->acknowledged = AcknowledgedOf(*row);
  for (int i = 0; i < row->key_count; i++) sync->has_keys &= row->key[i] > 0;
  if (!sync->has_keys) return sync;
  sync->reader = std::make_unique<RowReader>(*row);
  for (int i = 0; i < row->key_count; i++) {
    const Oid stamp = Call([&] { return StampOf(get_atttype(row->source, row->key[i])); });
    sync->columns.push_back({row->key[i], stamp});
  }
  return sync;
}

bool KeyOfEvent(const OutboxSync& sync, const core::KeyEvent& event, std::string* packed) {
  std::vector<std::string_view> values;
  if (!sync.has_keys || event.values.empty() ||
      !core::SplitValues(event.values, event.columns->size(), &values))
    return false;
  return core::PackColumns(*event.columns, values, sync.columns, packed);
}

void VisitQueue(std::int32_t queue, const EventVisitor& visit) {
  QueueTables tables;
  bool found = false;
  std::int32_t instance = 0;
  Call([&] {
    found = LookupQueue(queue, &tables);
    instance = InstanceNumber();
  });
  if (!found) return;
  QueueReader reader(tables.tables);
  for (bool complete = false; !complete;) {
    QueueRows rows;
    complete = Step(&reader, &rows);
    for (const QueueRow& row : rows.rows) {
      if (row.instance != instance) continue;
      core::RecordReader records(rows.Data(row));
      core::KeyEvent event;
      for (int number = 1; records.Next(&event); number++)
        if (event.kind != core::EventKind::kControl) visit(event, row, number);
    }
  }
}

}  // namespace polyglot::pg
