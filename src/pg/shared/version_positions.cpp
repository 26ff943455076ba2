#include "pg/shared/version_positions.h"

#include "pg/shared/shared_state.h"

namespace polyglot::pg {

uint64 DrawPositions(int count) {
  for (;;) {
    uint64 last = pg_atomic_read_u64(&Shared()->last_position);
    const uint64 flushed = GetFlushRecPtr(nullptr);
    if (last + static_cast<uint64>(count) > flushed) {
      XLogFlush(WriteEmptyLogicalMessage("polyglot_sync"));
      continue;
    }
    if (pg_atomic_compare_exchange_u64(&Shared()->last_position, &last, flushed)) return flushed;
  }
}

}  // namespace polyglot::pg
