#pragma once
// The events in a queue as a session sees them: reads the queue's pages as the worker does, so a
// long transaction that looks holds neither a table lock that would keep the queue from being
// emptied nor a predicate lock. C++ inside Enter(), with SPI connected and an active snapshot.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/queue/queue_record.h"
#include "core/queue/snapshot.h"
#include "pg/catalog/sync_row.h"
#include "pg/document/row_reader.h"
#include "pg/queue/queue_reader.h"

namespace polyglot::pg {

/// A sync whose events are looked for. Its source must exist.
struct OutboxSync {
  const SyncRow* row;
  std::unique_ptr<RowReader> reader;
  core::Snapshot acknowledged;  // what it sees is delivered, or parked (then there is a row of it)
  std::vector<core::CapturedColumn> columns;
  bool has_keys = true;  // false: a key column was dropped, the sync has failed
};
std::unique_ptr<OutboxSync> OpenOutboxSync(const SyncRow* row);

/// The packed key that an event of the sync's source names; false: it names none.
bool KeyOfEvent(const OutboxSync& sync, const core::KeyEvent& event, std::string* packed);

/// `number`: of the event in its row, from 1 on.
using EventVisitor =
    std::function<void(const core::KeyEvent& event, const QueueRow& row, int number)>;
/// Every event of this database in both tables.
void VisitQueue(std::int32_t queue, const EventVisitor& visit);

}  // namespace polyglot::pg
