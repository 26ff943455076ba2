#include "pg/document/row_batch.h"

#include "pg/prelude.h"

namespace polyglot::pg {

void RowBatch::Clear() {
  bytes.clear();
  rows.clear();
  failures.clear();
  truncated = false;
  received = 0;
  last_failed = false;
  last_key.clear();
  end_reached = restarted = false;
}

void RowBatch::CutAt(const Mark& mark) {
  bytes.resize(mark.bytes);
  rows.resize(mark.rows);
  failures.resize(mark.failures);
}

}  // namespace polyglot::pg
