#pragma once
// What is wrong with a sync now, and what to do about it: decided here and nowhere else, for the
// views, for functions that wait in vain, and for inspect. Plain facts in, texts out.

#include <cstdint>
#include <string>

namespace polyglot::core {

/// What is known of a sync at this moment. Texts are ready to be shown; "" where there is none.
struct SyncFacts {
  std::string sync, server;
  std::string state;  // as in polyglot.status

  // Stored.
  bool restored = false;  // the definition came with a dump: it has no state here
  bool copied = false;    // the state is that of another database, or from before pg_upgrade
  bool frozen = false;    // searches see an older state until a new index is complete
  std::string failure, failure_hint;

  // Its worker.
  std::string no_worker, no_worker_hint;  // why none runs
  std::int64_t silent = 0;                // not heard of for so many microseconds
  int worker_pid = 0;

  // What the worker says as long as it is so.
  std::string trouble;              // why it is blocked, disconnected, or without an index yet
  bool denied = false;              // the server refuses the credentials
  bool no_index = false;            // blocked because it has none yet, not because of one
  std::string notice, notice_hint;  // what is worth knowing whatever the state

  // How much waits.
  std::uint64_t backfill_rows = 0, backfill_total = 0, pending = 0;
  std::int64_t eta = -1, lag = -1;  // microseconds; -1: unknown
  std::uint64_t queue_bytes = 0, max_queue_bytes = 0;
};

struct SyncProblem {
  std::string text, hint;  // both empty: all is well
};

/// The state as far as it can be believed: a worker that is not heard of tells none.
bool IsSilent(const SyncFacts& facts);
SyncProblem ProblemOf(const SyncFacts& facts);
/// Nobody who waits is helped by waiting: somebody must act first.
bool WaitsInVain(const SyncFacts& facts);
/// Why the sync is not in step yet: the problem, or what is under way.
SyncProblem NotInStep(const SyncFacts& facts);

/// "20000" as "20,000".
std::string Grouped(std::uint64_t number);

}  // namespace polyglot::core
