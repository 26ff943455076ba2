#include "pg/worker/state/submit.h"

#include <algorithm>
#include <utility>

#include "core/version.h"
#include "pg/clock.h"
#include "pg/worker/state/verification_state.h"

namespace polyglot::pg {

void SubmitOperation(WorkerContext* context, SyncRuntime* sync, core::Operation&& operation) {
  context->settlement.Add(sync->id, operation.tickets);
  NoteVersion(sync, operation.version);
  NoteOperation(sync, operation.id);
  sync->channel->delivery().Submit(std::move(operation), MonotonicNow());
}

void NoteVersion(SyncRuntime* sync, std::uint64_t version) {
  VersionState& versions = sync->versions;
  versions.highest = std::max(versions.highest, core::PositionOf(version));
  if (versions.BeyondBound()) sync->channel->delivery().HoldSync(sync->id, true);
}

void NoteOperation(SyncRuntime* sync, const std::string& id) {
  if (!sync->verification) return;
  auto& touched = sync->verification->judgement.touched;
  if (touched.empty()) return;
  const auto it = touched.find(id);
  if (it != touched.end()) it->second = true;
}

}  // namespace polyglot::pg
