#pragma once
// How an operation ended.

#include <cstdint>
#include <string>

#include "core/operation.h"

namespace polyglot::core {

enum class FinalOutcome : std::uint8_t {
  kOk,        // applied
  kStale,     // refused by version: a newer one is there (also success)
  kDead,      // dead letter: the server will never take it as it is
  kReplaced,  // a newer operation of the same (id, routing) took its tickets over
  kReturned,  // it was in flight at Forget and has none; the caller owns its tickets again
};

/// An operation that has left. `operation.body` is filled for kDead and kReturned only. For
/// kReplaced the newer operation, still here, now carries Settlement::Merge(successor,
/// operation.tickets); the caller brings its counts in line, in the order in which Finished values
/// come, with
///     Tickets tickets = finished.successor;
///     settlement.Replace(sync, &tickets, finished.operation.tickets);
/// and for every outcome with settlement.Release(sync, finished.operation.tickets).
struct Finished {
  Operation operation;
  FinalOutcome outcome = FinalOutcome::kOk;
  bool not_found = false;  // a delete that found nothing: may have auto-created a missing index
  int status = 0;
  std::string error_type;  // for kDead: the server's words, may quote row values
  std::string error_reason;
  Tickets successor;  // for kReplaced: the newer operation's tickets before the merge
};

}  // namespace polyglot::core
