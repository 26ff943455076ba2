#include "pg/catalog/dropped_indexes.h"

#include "pg/catalog/statement.h"

namespace polyglot::pg {

void InsertDropped(Oid server, const DroppedIndex& dropped) {
  const std::string number = std::to_string(server), wait = std::to_string(dropped.wait_us),
                    owner = std::to_string(dropped.owner);
  Execute(
      (std::string("INSERT INTO polyglot.dropped_index (server, physical_index, alias, index_uuid,"
                   " unless_aliased, not_before, owner) VALUES ($1::pg_catalog.oid, $2, $3, $4,"
                   " $5::pg_catalog.bool, pg_catalog.now() + $6::pg_catalog.int8 * '1 "
                   "us'::pg_catalog.interval,"
                   " $7::pg_catalog.oid)") +
       kDroppedAgain)
          .c_str(),
      {number.c_str(), dropped.index.c_str(), dropped.alias.c_str(),
       dropped.uuid.empty() ? nullptr : dropped.uuid.c_str(),
       dropped.unless_aliased ? "true" : "false", wait.c_str(), owner.c_str()});
}

bool DeleteDropped(Oid server, const std::string& index, const std::string& uuid) {
  const std::string number = std::to_string(server);
  const uint64 locked = Execute(
      "SELECT 1 FROM polyglot.dropped_index WHERE server = $1::pg_catalog.oid"
      " AND physical_index = $2 FOR UPDATE SKIP LOCKED",
      {number.c_str(), index.c_str()});
  if (locked > 0)
    Execute(
        "DELETE FROM polyglot.dropped_index WHERE server = $1::pg_catalog.oid"
        " AND physical_index = $2 AND coalesce(index_uuid, '') = $3",
        {number.c_str(), index.c_str(), uuid.c_str()});
  return locked > 0 || Execute(
                           "SELECT 1 FROM polyglot.dropped_index WHERE server = $1::pg_catalog.oid"
                           " AND physical_index = $2",
                           {number.c_str(), index.c_str()}) == 0;
}

std::vector<DroppedIndex> LoadDropped(Oid server) {
  const std::string number = std::to_string(server);
  const uint64 rows = Execute(
      "SELECT physical_index, alias, index_uuid, unless_aliased, greatest(0, extract(epoch FROM"
      " not_before - clock_timestamp()) * 1000000)::int8, owner FROM polyglot.dropped_index"
      " WHERE server = $1::pg_catalog.oid",
      {number.c_str()});
  std::vector<DroppedIndex> list;
  TupleDesc desc = rows == 0 ? nullptr : SPI_tuptable->tupdesc;
  for (uint64 i = 0; i < rows; i++) {
    HeapTuple tuple = SPI_tuptable->vals[i];
    bool isnull;
    DroppedIndex& dropped = list.emplace_back();
    dropped.index = SPI_getvalue(tuple, desc, 1);
    dropped.alias = SPI_getvalue(tuple, desc, 2);
    if (const char* uuid = SPI_getvalue(tuple, desc, 3)) dropped.uuid = uuid;
    dropped.unless_aliased = DatumGetBool(SPI_getbinval(tuple, desc, 4, &isnull));
    dropped.wait_us = DatumGetInt64(SPI_getbinval(tuple, desc, 5, &isnull));
    dropped.owner = DatumGetObjectId(SPI_getbinval(tuple, desc, 6, &isnull));
  }
  return list;
}

void ForgetDropped(Oid server) {
  Execute("DELETE FROM polyglot.dropped_index WHERE server = $1::oid", {psprintf("%u", server)});
}

}  // namespace polyglot::pg
