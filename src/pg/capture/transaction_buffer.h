#pragma once
// The changed keys of the running transaction, in this backend's memory until commit.
//
// Records are appended by the capture trigger and by SQL functions, follow savepoints (an aborted
// subtransaction's records vanish with it), are de-duplicated by content and written to the queue
// at PRE_COMMIT / PRE_PREPARE, many to a row. Beyond polyglot_sync.capture_buffer they are written
// early: only those of the current subtransaction, because the rows carry its xid and vanish with
// it.

#include <string_view>

#include "core/queue/queue_record.h"
#include "pg/capture/capture_plan.h"

namespace polyglot::pg {

/// Registers the transaction callbacks. Called once, by _PG_init.
void InitTransactionBuffer();

/// Has this transaction recorded anything, flushed or not?
bool HasCapturedChanges();

/// Does a record with so many bytes of values fit into a queue row?
bool RecordFits(const CapturePlan* plan, int length);

/// Appends one record: `values` in the form of core/queue/queue_record.h for the plan's columns. A
/// record that cannot fit into a queue row becomes a kResync record of the source.
void AppendRecord(CapturePlan* plan, core::EventKind kind, const char* values, int length);

/// For SQL functions: one event for a packed key (core/queue/queue_record.h) of this source. false:
/// the key was recorded when one of its columns had another type. ERROR 54000 when it is too long
/// for any index.
[[nodiscard]] bool RecordKeyEvent(Oid source, core::EventKind kind, std::string_view packed_key);
/// For TRUNCATE and for changes whose rows are unknown: kTruncate or kResync.
void RecordSourceEvent(Oid source, core::EventKind kind);

/// COMMIT PREPARED gives no callback of the prepared transaction: its queue rows become visible
/// with this transaction's commit, so every worker of the database is woken then.
void WakeAllWorkersAtCommit();

}  // namespace polyglot::pg
