// Which pair of queue tables belongs to which server (polyglot.queue). A pair is never dropped
// while the extension lives: it is made once, freed when its server goes, and used again.

#include "pg/catalog/queue_tables.h"

#include "pg/catalog/own_relations.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/server/server_names.h"

namespace polyglot::pg {
namespace {

int32 FindQueue(Oid server) {
  CommandCounterIncrement();
  PushActiveSnapshot(GetLatestSnapshot());
  Oid type = OIDOID;
  Datum value = ObjectIdGetDatum(server);
  SPI_execute_with_args("SELECT id FROM polyglot.queue WHERE server = $1", 1, &type, &value,
                        nullptr, true, 1);
  PopActiveSnapshot();
  if (SPI_processed == 0) return 0;
  bool is_null;
  return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

int32 TakeFreeQueue(Oid server) {
  Execute(
      "UPDATE polyglot.queue SET server = $1::oid, server_name = $2::name WHERE id ="
      " (SELECT id FROM polyglot.queue WHERE server = 0 ORDER BY id LIMIT 1"
      "  FOR UPDATE SKIP LOCKED)",
      {psprintf("%u", server), GetForeignServer(server)->servername});
  return FindQueue(server);
}

// The tables are members of the extension, so that pg_dump leaves them out, and have no dependency
// on the server: DROP SERVER … CASCADE would then drop the extension.
void CreateQueueTable(const char* name) {
  // No index, no TOAST, no autovacuum: the worker reads pages and empties them by TRUNCATE. CREATE
  // TABLE takes STORAGE from 16 on only, and would make a TOAST table before a later SET STORAGE.
  Execute(psprintf("CREATE TABLE polyglot.%s (captured_at timestamptz NOT NULL, xid xid8 NOT NULL,"
                   " instance int4 NOT NULL, n int4 NOT NULL)"
                   " USING heap WITH (autovacuum_enabled = false)",
                   name),
          {});
  Execute(psprintf("ALTER TABLE polyglot.%s ADD COLUMN data bytea NOT NULL,"
                   " ALTER COLUMN data SET STORAGE PLAIN",
                   name),
          {});
  Execute(psprintf("REVOKE ALL ON polyglot.%s FROM PUBLIC", name), {});
  Execute(psprintf("ALTER EXTENSION polyglot_sync ADD TABLE polyglot.%s", name), {});
}

int32 CreateQueue(Oid server) {
  // Serializes the choice of a number; readers of polyglot.queue are not disturbed.
  LockRelationOid(OurRelation("queue"), ShareRowExclusiveLock);
  CommandCounterIncrement();
  PushActiveSnapshot(GetLatestSnapshot());
  SPI_execute("SELECT coalesce(max(id), 0) + 1 FROM polyglot.queue", true, 1);
  PopActiveSnapshot();
  bool is_null;
  int32 id =
      DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
  CreateQueueTable(psprintf("queue_%d_a", id));
  CreateQueueTable(psprintf("queue_%d_b", id));
  Execute(psprintf("INSERT INTO polyglot.queue (id, server, server_name, table_a, table_b) VALUES"
                   " (%d, %u, $1::name, 'polyglot.queue_%d_a'::regclass,"
                   " 'polyglot.queue_%d_b'::regclass)",
                   id, server, id, id),
          {GetForeignServer(server)->servername});
  return id;
}

}  // namespace

bool LookupQueue(int32 queue, QueueTables* tables) {
  AsExtensionOwner as_owner;
  SPI_connect();
  CommandCounterIncrement();
  PushActiveSnapshot(GetLatestSnapshot());
  Oid type = INT4OID;
  Datum value = Int32GetDatum(queue);
  SPI_execute_with_args("SELECT table_a, table_b FROM polyglot.queue WHERE id = $1", 1, &type,
                        &value, nullptr, true, 1);
  PopActiveSnapshot();
  bool found = SPI_processed == 1;
  if (found) {
    for (int i = 0; i < 2; ++i) {
      bool is_null;
      tables->tables[i] = DatumGetObjectId(
          SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &is_null));
    }
  }
  SPI_finish();
  return found;
}

// Everything that names a server by its OID; the queue itself comes last, the others look there.
void ResolveServers() {
  static constexpr char kOthers[] =
      "SELECT 1 FROM polyglot.queue q LEFT JOIN pg_foreign_server f ON f.oid = q.server"
      " WHERE q.server <> 0 AND f.srvname IS DISTINCT FROM q.server_name LIMIT 1";
  static constexpr const char* kResolve[] = {
      "UPDATE polyglot.sync_state s SET server = f.oid FROM polyglot.queue q"
      " JOIN pg_foreign_server f ON f.srvname = q.server_name"
      " WHERE q.id = s.queue AND q.server <> 0 AND s.server <> f.oid",
      "UPDATE polyglot.dropped_index i SET server = f.oid FROM polyglot.queue q"
      " JOIN pg_foreign_server f ON f.srvname = q.server_name"
      " WHERE q.server = i.server AND q.server <> 0 AND i.server <> f.oid",
      "UPDATE polyglot.queue q SET server = f.oid FROM pg_foreign_server f"
      " WHERE f.srvname = q.server_name AND q.server <> 0 AND q.server <> f.oid"};
  AsExtensionOwner as_owner;
  SPI_connect();
  if (Execute(kOthers, {}) > 0)
    for (const char* statement : kResolve) Execute(statement, {});
  SPI_finish();
  CommandCounterIncrement();
}

int32 EnsureQueue(Oid server) {
  AsExtensionOwner as_owner;
  SPI_connect();
  int32 queue = FindQueue(server);
  if (queue == 0) {
    // Two first syncs of one server at the same time must not make two pairs.
    LockDatabaseObject(ForeignServerRelationId, server, 0, ShareUpdateExclusiveLock);
    queue = FindQueue(server);
  }
  if (queue == 0) queue = TakeFreeQueue(server);
  if (queue == 0) queue = CreateQueue(server);
  CommandCounterIncrement();
  SPI_finish();
  return queue;
}

std::string QueueHolder(Oid table_a, Oid table_b) {
  Parameters p;
  p.Int8(table_a);
  p.Int8(table_b);
  // A prepared transaction has no pid; its own xid is locked under the same virtual transaction.
  p.Run(
      "SELECT CASE WHEN x.gid IS NULL THEN 'process ' || l.pid ELSE 'prepared transaction \"'"
      " || x.gid || '\"' END FROM pg_locks l LEFT JOIN pg_locks h"
      " ON h.locktype = 'transactionid' AND h.virtualtransaction = l.virtualtransaction"
      " AND h.pid IS NULL AND l.pid IS NULL"
      " LEFT JOIN pg_prepared_xacts x ON x.transaction = h.transactionid"
      " WHERE l.locktype = 'relation' AND l.relation IN ($1::oid, $2::oid) AND l.granted"
      " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
      " AND l.pid IS DISTINCT FROM pg_backend_pid() AND coalesce(x.gid, l.pid::text) IS NOT NULL"
      " ORDER BY l.mode IN ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock',"
      " 'ShareLock') DESC, x.gid NULLS LAST LIMIT 1",
      SPI_OK_SELECT);
  if (SPI_processed == 0) return "";
  const char* holder = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
  return holder == nullptr ? "" : holder;
}

bool FreeQueueOf(Oid server, Oid tables[2]) {
  Execute("UPDATE polyglot.queue SET server = 0 WHERE server = $1::oid RETURNING table_a, table_b",
          {psprintf("%u", server)});
  if (SPI_processed != 1) return false;
  for (int i = 0; i < 2; ++i) {
    bool is_null;
    tables[i] = DatumGetObjectId(
        SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &is_null));
  }
  return true;
}

}  // namespace polyglot::pg
