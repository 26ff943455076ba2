#include "pg/worker/search/index_condition.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "core/search/error_text.h"
#include "pg/clock.h"
#include "pg/shared/sync_slots.h"
#include "pg/worker/state/gate.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kCheckInterval{10'000'000};

void Append(std::vector<core::Finished>* from, std::vector<core::Finished>* to) {
  std::move(from->begin(), from->end(), std::back_inserter(*to));
  from->clear();
}

}  // namespace

void BeginCheck(SyncRuntime* sync) {
  sync->index.checking = true;
  Append(&sync->unconfirmed.waiting, &sync->unconfirmed.checking);
}

void CheckAgain(SyncRuntime* sync) {
  Append(&sync->unconfirmed.checking, &sync->unconfirmed.waiting);
}

void CheckSoon(SyncRuntime* sync) { sync->index.next_check = core::Time{0}; }

// Whatever does not answer in JSON, as a search server does, says nothing about an index.
bool IsServerTrouble(const core::Reply& reply) {
  const int status = reply.status;
  if (!reply.transport_ok || status < 200 || status >= 500) return true;
  if (status < 300) return !reply.body.starts_with('{');
  if (status < 400 || status == 401 || status == 403 || status == 407) return true;
  if (status == 404) return !reply.says_missing;
  return status != 429 && !reply.body.starts_with('{');
}

bool ConcernsIndexOnly(const WorkerContext& context, const SyncRuntime& sync,
                       const core::Reply& reply) {
  if (!IsServerTrouble(reply) || !reply.transport_ok || !reply.body.starts_with('{')) return false;
  if (!sync.channel->connected()) return false;
  return std::any_of(context.syncs.begin(), context.syncs.end(), [&sync](const auto& other) {
    return other.first != sync.id && other.second->channel == sync.channel &&
           other.second->index.step == IndexStep::kReady && !other.second->index.check_before_write;
  });
}

namespace {

// The first one may be a hiccup.
core::Time NextWaitOfRefused(SyncRuntime* sync, core::Time now) {
  core::Time& wait = sync->index.refused_wait;
  if (wait > core::Time{0}) Block(sync, now);
  return wait = std::clamp(2 * wait, kIndexRetry, kBlockedRetry);
}

void NoteServerTrouble(Channel* channel, const core::Reply& reply, core::Time now) {
  const bool denied = reply.status == 401 || reply.status == 403;
  channel->set_state(!IsServerTrouble(reply), denied, now);
  if (IsServerTrouble(reply)) channel->ProbeFailed(reply.transport_ok, now);
}

}  // namespace

void IndexUnavailable(WorkerContext* context, SyncRuntime* sync, const net::Response& response,
                      core::Time wait) {
  const core::Time now = MonotonicNow();
  const core::Reply& reply = response.reply;
  const bool index_only = ConcernsIndexOnly(*context, *sync, reply);
  sync->index.step = IndexStep::kUnavailable;
  sync->index.checking = false;
  CheckAgain(sync);
  sync->channel->delivery().HoldSync(sync->id, true);
  sync->index.check_before_write = true;
  sync->index.retry_at = now + (index_only ? NextWaitOfRefused(sync, now) : wait);
  if (!index_only) NoteServerTrouble(sync->channel, reply, now);
  sync->why = sync->index.physical == nullptr && index_only ? "there is no index yet: " : "";
  sync->why += reply.transport_ok ? "HTTP status " + std::to_string(reply.status) + ": " +
                                        core::WholeRefusal(reply.body)
                                  : reply.transport_error;
  if (!index_only && IsServerTrouble(reply)) sync->channel->why = sync->why;
  SetSyncError(sync->slot, sync->why.c_str());
}

void AskLater(SyncRuntime* sync, core::Time wait) {
  sync->index.step = IndexStep::kUnavailable;
  sync->index.checking = false;
  sync->index.retry_at = MonotonicNow() + wait;
  if (!sync->blocked) sync->why.clear();
}

void IndexBlocked(SyncRuntime* sync, const std::string& reason, const std::string& hint) {
  const core::Time now = MonotonicNow();
  Block(sync, now);
  AskLater(sync, NextWaitOfRefused(sync, now));
  CheckAgain(sync);
  sync->channel->delivery().HoldSync(sync->id, true);
  sync->channel->set_state(true, false, now);  // it has answered
  sync->why = reason + (hint.empty() ? "" : "; hint: " + hint);
  SetSyncError(sync->slot, sync->why.c_str());
}

void IndexReady(SyncRuntime* sync) {
  sync->index.step = IndexStep::kReady;
  sync->index.checking = false;
  sync->index.check_before_write = false;
  const core::Time now = MonotonicNow();
  Append(&sync->unconfirmed.checking, &sync->unconfirmed.confirmed);
  sync->index.next_check = sync->unconfirmed.waiting.empty() ? now + kCheckInterval : core::Time{0};
  sync->index.missing = false;
  if (!sync->blocked) sync->why.clear();
  if (sync->index.refused_wait > core::Time{0}) sync->blocked_until = core::Time{0};
  sync->index.refused_wait = core::Time{0};
  if (!sync->channel->connected()) sync->channel->delivery().ResetBackoff(now);
  sync->channel->set_state(true, false, now);
  sync->channel->delivery().HoldSync(sync->id, sync->versions.BeyondBound() || sync->held);
}

void RefuseIndex(SyncRuntime* sync, std::string reason, std::string hint) {
  sync->failure = std::move(reason);
  sync->failure_hint = std::move(hint);
  sync->index.step = IndexStep::kUnavailable;
  sync->index.checking = false;
  CheckAgain(sync);
  sync->index.retry_at = core::kNever;
}

}  // namespace polyglot::pg
