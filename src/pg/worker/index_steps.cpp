#include "pg/worker/index_steps.h"

#include <utility>

#include "core/error_text.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kCheckInterval{10'000'000};

}  // namespace

std::string Encoded(const std::string& name) { return net::SearchClient::EncodePath(name); }

bool IsServerTrouble(const core::BulkReply& reply) {
  return !reply.transport_ok || reply.http_status == 401 || reply.http_status == 403 ||
         reply.http_status >= 500;
}

void IndexUnavailable(SyncRuntime* sync, const net::Response& response, core::Time wait) {
  sync->index.step = IndexStep::kUnavailable;
  sync->index.checking = false;
  sync->index.retry_at = MonotonicNow() + wait;
  const core::BulkReply& reply = response.reply;
  const bool denied = reply.http_status == 401 || reply.http_status == 403;
  sync->channel->set_state(!IsServerTrouble(reply), denied);
  SetSyncError(sync->slot, reply.transport_ok
                               ? ("HTTP status " + std::to_string(reply.http_status) + ": " +
                                  core::NormaliseError("", reply.body))
                                     .c_str()
                               : reply.transport_error.c_str());
}

void IndexReady(SyncRuntime* sync) {
  sync->index.step = IndexStep::kReady;
  sync->index.checking = false;
  sync->index.check_before_write = false;
  sync->index.next_check = MonotonicNow() + kCheckInterval;
  sync->blocked = false;
  if (!sync->channel->connected()) sync->channel->delivery().ResetBackoff(MonotonicNow());
  sync->channel->set_state(true, false);
  sync->channel->delivery().HoldSync(sync->id, sync->versions.BeyondBound());
}

void RefuseIndex(SyncRuntime* sync, std::string reason, std::string hint) {
  sync->failure = std::move(reason);
  sync->failure_hint = std::move(hint);
  sync->index.step = IndexStep::kUnavailable;
  sync->index.checking = false;
  sync->index.retry_at = core::kNever;
}

}  // namespace polyglot::pg
