#include "pg/worker/attention.h"

#include "pg/worker/state/verification_state.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kInterval{1'000'000};

// What it tells changes what all of its syncs may do.
bool Changed(Channel* channel, core::Time now) {
  const unsigned state = 1u | (channel->connected() ? 2u : 0u) | (channel->on_trial() ? 4u : 0u) |
                         (channel->Away(now) ? 8u : 0u);
  return std::exchange(channel->attended, state) != state;
}

bool HasKeys(const WorkerContext& context, const SyncRuntime& sync) {
  return !sync.keys.empty() || !sync.unconfirmed.empty() || !sync.oldest_by_scan.empty() ||
         context.settlement.OutstandingEvents(sync.id) > 0 || sync.parked.count.rows > 0 ||
         sync.parked.draining || sync.channel->delivery().Outstanding(sync.id) > 0;
}

bool Waits(const SyncRuntime& sync) {
  return !sync.failure.empty() || !sync.live.wanted.reason.empty() || !sync.repair.reason.empty() ||
         sync.adopt || sync.held || sync.has_start || sync.locked_since != core::Time{0} ||
         (sync.verification && sync.verification->step != VerificationState::Step::kIdle);
}

// The index needs nothing before it is looked at again.
bool IsWell(const SyncRuntime& sync, core::Time now) {
  const IndexState& index = sync.index;
  return index.step == IndexStep::kReady && !index.checking && !index.check_before_write &&
         !index.dirty && !index.lost && now < index.next_check &&
         index.refresh_at == core::Time{0} && sync.lease.held && !sync.versions.writing &&
         !sync.versions.Unconfirmed() && !sync.versions.BeyondBound();
}

bool MayRest(const WorkerContext& context, const SyncRuntime& sync, core::Time now) {
  if (sync.channel == nullptr || !sync.channel->connected() || sync.channel->on_trial())
    return false;
  if (sync.IsBuilding() || context.BuildingOf(sync.id) != nullptr) return false;
  return sync.Streaming() && !sync.Parks() && IsWell(sync, now) && !Waits(sync) &&
         !HasKeys(context, sync);
}

}  // namespace

void Attend(WorkerContext* context, core::Time now) {
  const std::uint64_t request = pg_atomic_read_u64(&Shared()->request);
  bool all = now - context->looked_at >= kInterval || request != context->request_seen;
  for (auto& channel : context->channels) all |= Changed(channel.get(), now);
  if (!all) return;
  context->looked_at = now;
  context->request_seen = request;
  for (auto& [id, sync] : context->syncs) sync->has_company = context->syncs.size() > 1;
  context->WakeAll();
}

void Rest(WorkerContext* context, core::Time now) {
  std::erase_if(context->awake, [context, now](SyncRuntime* sync) {
    sync->awake = !MayRest(*context, *sync, now);
    if (!sync->awake) sync->keys.Trim();
    return !sync->awake;
  });
}

core::Time NextLook(const WorkerContext& context) {
  return context.awake.size() < context.syncs.size() ? context.looked_at + kInterval : core::kNever;
}

}  // namespace polyglot::pg
