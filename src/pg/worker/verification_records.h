#pragma once
// What a verification writes down (polyglot.verification, polyglot.difference). Every function
// needs the transaction of InTransaction.

#include "pg/worker/sync_runtime.h"
#include "pg/worker/verification_state.h"

namespace polyglot::pg {

/// The schedule and, if there is one, the verification that was not finished.
void LoadVerification(std::int32_t sync, VerificationState* state);
/// Begins (again): forgets what was found before. Returns the number.
std::int64_t StartVerification(const SyncRuntime& sync, const VerificationState& state);
void StoreVerification(std::int32_t sync, const VerificationState& state, bool finished);

void StoreCandidates(const SyncRuntime& sync, const std::vector<Candidate>& candidates);
/// Those that were tried least often come first.
std::vector<Candidate> LoadCandidates(const SyncRuntime& sync, std::size_t limit);
/// They were in order, or have been tried in vain too often.
void DropCandidates(const SyncRuntime& sync, const std::vector<const Candidate*>& candidates);
void CountTry(const SyncRuntime& sync, const std::vector<const Candidate*>& candidates);
void StoreDifferences(const SyncRuntime& sync, const std::vector<Difference>& differences,
                      bool repaired);
/// The version that every document of the sync has at least.
std::uint64_t BaselineVersion(std::int32_t sync);

}  // namespace polyglot::pg
