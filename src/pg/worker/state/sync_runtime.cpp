#include "pg/worker/state/sync_runtime.h"

#include "pg/worker/state/channel.h"

namespace polyglot::pg {

bool SyncRuntime::Slow() const {
  return has_company && channel != nullptr && channel->delivery().Slow(id);
}

}  // namespace polyglot::pg
