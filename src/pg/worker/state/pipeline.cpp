#include "pg/worker/state/pipeline.h"

#include <algorithm>

#include "pg/clock.h"

namespace polyglot::pg {
namespace {

constexpr std::size_t kWaitingKeys = 20000;  // beyond it the queue is not read on

std::size_t WaitingKeys(const WorkerContext& context) {
  std::size_t waiting = 0;
  for (const SyncRuntime* sync : context.awake) waiting += sync->keys.size();
  return waiting;
}

}  // namespace

bool AnyKeysWaiting(const WorkerContext& context) {
  const core::Time now = MonotonicNow();
  return std::any_of(context.awake.begin(), context.awake.end(), [now](const SyncRuntime* sync) {
    return !sync->keys.empty() && now >= sync->read_at;
  });
}

bool PipelineFull(const WorkerContext& context) { return WaitingKeys(context) >= kWaitingKeys; }

}  // namespace polyglot::pg
