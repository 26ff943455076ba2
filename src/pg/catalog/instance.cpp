#include "pg/catalog/instance.h"

#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/catalog/tuple_columns.h"

namespace polyglot::pg {
namespace {

// The one row of polyglot.instance.
void ReadInstance(int32* number, bool* workers_enabled) {
  AsExtensionOwner as_owner;
  SPI_connect();
  SelectLatest(
      "SELECT number, workers_enabled FROM polyglot.instance ORDER BY created_at DESC LIMIT 1",
      InvalidOid, 0);
  if (SPI_processed != 1)
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("polyglot.instance has no row"),
                    errhint("Drop and create the extension again.")));
  TupleColumns columns(SPI_tuptable->vals[0], SPI_tuptable->tupdesc);
  *number = columns.Int32();
  *workers_enabled = columns.Bool();
  SPI_finish();
}

}  // namespace

int32 InstanceNumber() {
  int32 number;
  bool enabled;
  ReadInstance(&number, &enabled);
  return number;
}

bool WorkersEnabled() {
  int32 number;
  bool enabled;
  ReadInstance(&number, &enabled);
  return enabled;
}

}  // namespace polyglot::pg
