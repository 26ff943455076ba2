#pragma once
// What index_keeper.cpp and epoch_keeper.cpp have in common: how an index changes from one step to
// the next, and answers to a sync that may have gone meanwhile. C++ phase.

#include <string>

#include "pg/worker/search/search_api.h"
#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

inline constexpr core::Time kIndexRetry{1'000'000};

/// Runs `handle(context, sync, answer)` unless the sync has gone before the answer came.
template <typename F>
auto ForSync(WorkerContext* context, SyncRuntime* sync, F handle) {
  const std::int32_t id = sync->id;
  const std::uint64_t incarnation = sync->incarnation;
  return [context, id, incarnation, handle](const auto& answer) {
    SyncRuntime* now = context->Find(id);
    if (now == nullptr || now->incarnation != incarnation) return;
    context->Wake(now);
    handle(context, now, answer);
  };
}

/// Does this answer say that the server, or who we are to it, is the trouble?
bool IsServerTrouble(const core::Reply& reply);
/// A request that compares the UUID is on its way: deletes that found nothing wait for its answer.
void BeginCheck(SyncRuntime* sync);
/// That request has told nothing: they wait for the next one.
void CheckAgain(SyncRuntime* sync);
/// Compare its UUID at the next occasion.
void CheckSoon(SyncRuntime* sync);
/// Does this answer to a question about the index of `sync` say nothing of the server? A search
/// server refuses it, and other indexes of the same connection are in order: a role may name some
/// indexes only, an index may have a block of its own.
bool ConcernsIndexOnly(const WorkerContext& context, const SyncRuntime& sync,
                       const core::Reply& reply);
/// Asked in vain; asked again after `wait`, or later when it is refused again and again.
void IndexUnavailable(WorkerContext* context, SyncRuntime* sync, const net::Response& response,
                      core::Time wait);
/// Asked in vain, for no fault of the server: asked again after `wait`.
void AskLater(SyncRuntime* sync, core::Time wait);
/// The server takes no new index now, or not this one yet: blocked, and tried again by itself.
void IndexBlocked(SyncRuntime* sync, const std::string& reason, const std::string& hint);
/// Exists and is ours: may be written to.
void IndexReady(SyncRuntime* sync);
/// The sync is to fail, for good: stored at the next occasion.
void RefuseIndex(SyncRuntime* sync, std::string reason, std::string hint);

}  // namespace polyglot::pg
