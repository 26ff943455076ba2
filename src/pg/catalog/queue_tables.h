#pragma once
// polyglot.queue: the two tables of each server's queue.

#include <initializer_list>
#include <string>

#include "pg/prelude.h"

namespace polyglot::pg {

struct QueueTables {
  Oid tables[2];
};
/// Table oids of a queue; false when there is no such queue.
bool LookupQueue(int32 queue, QueueTables* tables);
/// The queue of a server, made now if it has none. Called by create_sync.
int32 EnsureQueue(Oid server);
/// The server has gone: its queue is free, for the next one. false: it had none. Needs an SPI
/// connection, as the extension's owner.
bool FreeQueueOf(Oid server, Oid tables[2]);

/// Who holds a lock on one of these tables: a prepared transaction, or a process; empty: nobody.
std::string QueueHolder(Oid table_a, Oid table_b);

}  // namespace polyglot::pg
