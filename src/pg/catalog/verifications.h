#pragma once
// polyglot.verification and polyglot.difference: runs, what they look at twice, and what they
// found. Needs a transaction; may ereport.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/prelude.h"

namespace polyglot::pg {

/// A document that did not equal its row when it was looked at for the first time.
struct Candidate {
  std::string id;
  std::optional<std::string> routing;
  std::string key;  // packed; empty: the id cannot be read as a key
};

enum class Problem : std::uint8_t { kMissing, kOrphan, kDifferent, kStale };
const char* NameOf(Problem problem);

/// A candidate that has proven to be one.
struct Difference {
  const Candidate* candidate;
  Problem problem;
  std::string key_json;  // empty: no key
  std::string detail;
};

struct VerificationCounts {
  std::uint64_t compared = 0, missing = 0, orphan = 0, different = 0, stale = 0;
};

/// One run.
struct VerificationRun {
  std::int32_t sync = 0;
  std::int64_t number = 0;
};

/// The newest run of a sync.
struct LastVerification {
  std::int64_t started = 0;  // TimestampTz
  bool unfinished = false;
  double sample = 1;
  bool repair = false;
};
std::optional<LastVerification> LoadVerification(std::int32_t sync);
/// Begins (again): forgets what was found before.
VerificationRun StartVerification(std::int32_t sync, double sample, bool repair);
/// `note`: what is worth knowing of the run; "": nothing.
void StoreVerification(const VerificationRun& run, const VerificationCounts& counts,
                       const std::string& note, bool finished);

void StoreCandidates(const VerificationRun& run, const std::vector<Candidate>& candidates);
/// Those that were tried least often come first.
std::vector<Candidate> LoadCandidates(const VerificationRun& run, std::size_t limit);
/// They were in order, or have been tried in vain too often.
void DropCandidates(const VerificationRun& run, const std::vector<const Candidate*>& candidates);
void CountTry(const VerificationRun& run, const std::vector<const Candidate*>& candidates);
void StoreDifferences(const VerificationRun& run, const std::vector<Difference>& differences,
                      bool repaired);

}  // namespace polyglot::pg
