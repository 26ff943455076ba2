#pragma once
// The parts of a verification: see verification.h.

#include "core/time.h"
#include "net/search_client.h"
#include "pg/catalog/verifications.h"
#include "pg/document/row_batch.h"
#include "pg/worker/state/channel.h"
#include "pg/worker/state/sync_runtime.h"
#include "pg/worker/state/verification_state.h"
#include "pg/worker/state/worker_context.h"

namespace polyglot::pg {

/// The row of the run that is going on.
inline VerificationRun RunOf(const SyncRuntime& sync) {
  return {sync.id, sync.verification->number};
}
/// What is worth knowing of it besides its counts.
std::string NoteOf(const VerificationState& state);

inline constexpr core::Time kVerificationRetry{1'000'000};
/// So often the same is asked for in vain before it is asked for in parts.
inline constexpr int kVerificationTries = 3;
/// … which then follow each other faster: others wait.
inline constexpr core::Time kVerificationNarrow{100'000};

/// Runs `handle(context, sync, response)` if sync and verification are still the same.
template <typename F>
auto ForVerification(WorkerContext* context, SyncRuntime* sync, F handle) {
  const std::int32_t id = sync->id;
  const std::uint64_t generation = sync->verification->generation;
  ++sync->verification->in_flight;
  return [context, id, generation, handle](const auto& answer) {
    SyncRuntime* now = context->Find(id);
    if (now == nullptr || !now->verification || now->verification->generation != generation) return;
    --now->verification->in_flight;
    handle(context, now, answer);
  };
}

/// The request is made again, a little later; the reason is shown in status.
void TryLater(SyncRuntime* sync, const net::Response& response,
              core::Time wait = kVerificationRetry);
/// Is everything delivered that has been read, and nothing parked?
bool IsQuiet(const SyncRuntime& sync);
/// Is the document part of the sample?
bool Sampled(const VerificationState& state, std::string_view id);
/// The rows cannot be read: the verification begins anew, some time later. The sync goes on.
void FailVerification(SyncRuntime* sync, const PgError& error);
/// Reads the next page of rows. false: not now, or the verification has failed.
bool ReadVerificationPage(SyncRuntime* sync, RowBatch* batch);

/// Asks what keeps the index's documents from being comparable.
void AskForRules(WorkerContext* context, SyncRuntime* sync, core::Time now);
// Each makes one step and returns true when there is more to do at once.
bool CompareRows(WorkerContext* context, SyncRuntime* sync, core::Time now);
bool WalkIndex(WorkerContext* context, SyncRuntime* sync, core::Time now);
bool JudgeCandidates(WorkerContext* context, SyncRuntime* sync, core::Time now);
void ClosePointInTime(SyncRuntime* sync, core::Time now);

}  // namespace polyglot::pg
