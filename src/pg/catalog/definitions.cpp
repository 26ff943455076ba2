#include "pg/catalog/definitions.h"

#include "pg/catalog/statement.h"

namespace polyglot::pg {

void RenameDefinedColumn(Oid source, const char* from, const char* to) {
  Execute(
      "UPDATE polyglot.sync_definition SET key = array_replace(key, $2::name, $3::name),"
      " columns = array_replace(columns, $2::name, $3::name),"
      " routing = CASE routing WHEN $2::name THEN $3::name ELSE routing END"
      " WHERE source = $1::oid::regclass",
      {psprintf("%u", source), from, to});
}

void FollowServerName(Oid server) {
  Execute(
      "UPDATE polyglot.sync_definition d SET server = f.srvname"
      " FROM polyglot.sync_state s, pg_foreign_server f WHERE s.sync_id = d.id"
      " AND s.server = f.oid AND f.oid = $1::oid AND d.server <> f.srvname",
      {psprintf("%u", server)});
  Execute(
      "UPDATE polyglot.queue q SET server_name = f.srvname FROM pg_foreign_server f"
      " WHERE q.server = f.oid AND f.oid = $1::oid AND q.server_name <> f.srvname",
      {psprintf("%u", server)});
}

}  // namespace polyglot::pg
