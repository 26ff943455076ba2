#pragma once
// The delivery state machine of one (server, credentials): operations in, bulk requests out,
// replies in, outcomes out. Pure: no I/O, no clock. Guarantees:
//   * one operation in flight per (sync, id); a second one waits, and a newer one of the same
//     (id, routing) replaces an older one that waits (tickets merge, see Finished). A request that
//     several syncs share and that is late is given up: its operations wait again, as if it had
//     failed, while it may still be applied;
//   * an index that answers late, or whose requests are lost, holds up no other (isolation.h);
//   * operations of one id are sent in the order of their versions;
//   * an operation leaves only with an outcome or through Withdraw or Forget; retries keep their
//     version;
//   * only a 400 or 413 to a request of one operation, an item's own refusal, or a large operation
//     that is refused alone for want of memory all the while others are taken (pressure.h), is a
//     dead letter;
//   * memory is bounded by the caller asking HasRoom() before it submits. A document is held once:
//     in its operation while it waits, in the request's body while that exists.
//
// The caller's loop: Submit while HasRoom; NextBatch until nullopt, each sent; Complete for each
// answer; TakeFinished and TakeEvents; wait until NextDeadline. Not thread-safe, throws only
// bad_alloc.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/delivery/delivery_event.h"
#include "core/delivery/dialect.h"
#include "core/delivery/finished.h"
#include "core/delivery/reply.h"
#include "core/operation.h"
#include "core/time.h"

namespace polyglot::core {

struct DeliveryLimits {
  std::uint32_t max_in_flight = 8;  // bulk requests at once; kMostApart of slow indexes on top
  std::size_t batch_bytes =
      5u << 20;  // soft limit of a bulk body; one larger document travels alone
  std::uint32_t batch_operations = 5000;
  Time linger{2000};                     // how long a partial batch waits for more while idle
  std::size_t queued_bytes = 24u << 20;  // HasRoom() is false beyond either of these
  std::uint32_t queued_operations = 30000;
};

/// Requests at once of syncs that share with nobody, and requests that were given up.
inline constexpr std::uint32_t kMostApart = 32, kMostAbandoned = 16;

struct BulkBatch {
  std::uint64_t id = 0;
  std::shared_ptr<const std::string> body;  // NDJSON; immutable, shared by retries
  std::uint32_t operations = 0;
  bool doubtful = false;  // if it is lost, one of its indexes may be the reason, not the server
};

class Delivery {
 public:
  /// The dialect outlives it.
  Delivery(const DeliveryLimits& limits, std::uint64_t random_seed, const Dialect& dialect);
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  void SetLimits(const DeliveryLimits& limits);
  /// Counts what waits and what is in flight.
  bool HasRoom() const;
  /// The same for one sync: those whose index is slow may take half of it all, and others always
  /// have a quarter.
  bool HasRoom(std::int32_t sync) const;
  /// Operations that are here, those of slow indexes left out.
  std::uint64_t PromptOperations() const;
  /// Does its index answer so late that its changes should not wait in memory?
  bool Slow(std::int32_t sync) const;
  bool Idle() const;  // nothing queued, nothing in flight
  std::uint64_t QueuedOperations() const;
  std::uint64_t QueuedBytes() const;
  std::uint32_t InFlight() const;  // bulk requests

  /// The last that was heard of the server is kDisconnected or kDenied.
  bool Away() const;

  void Submit(Operation operation, Time now);

  /// The next request that may be sent now; it counts as in flight until Complete.
  std::optional<BulkBatch> NextBatch(Time now);
  /// While held, a sync must not be written to (its index is not checked yet): its operations wait,
  /// retries included. Requests already in flight are not stopped.
  void HoldSync(std::int32_t sync, bool hold);

  /// The answer to `batch_id`. An id that is not in flight is ignored.
  void Complete(std::uint64_t batch_id, const Reply& reply, Time now);
  /// A small write that the caller sent itself was taken, or refused for want of room.
  void Witness(bool taken, Time now);

  /// When NextBatch may have something that it has not now (linger, back-off); kNever if only a
  /// Complete or Submit can change that.
  Time NextDeadline(Time now) const;
  /// run_sync, or a probe has answered: every back-off ends now.
  void ResetBackoff(Time now);

  std::vector<Finished> TakeFinished();
  std::vector<DeliveryEvent> TakeEvents();

  /// Takes back every operation of this sync that is not in flight and has a version below
  /// `below` (UINT64_MAX: all). The caller owns their tickets again.
  std::vector<Operation> Withdraw(std::int32_t sync, std::uint64_t below);
  /// Is any operation of this sync with a version below `below` in flight? What waits for a retry
  /// is not; Withdraw takes it back.
  bool AnyInFlight(std::int32_t sync, std::uint64_t below) const;
  /// The sync has ended, or goes on elsewhere: what was learnt about it goes. Its operations are
  /// withdrawn before; what is in flight is not sent again but leaves with the answer.
  void Forget(std::int32_t sync);
  /// Is any operation on this index in flight?
  bool AnyInFlightTo(std::string_view index) const;
  /// Operations of this sync that are here, waiting or in flight.
  std::uint64_t Outstanding(std::int32_t sync) const;

 private:
  struct State;
  struct Load {
    std::uint64_t bytes = 0, operations = 0;
  };
  Load SlowLoad() const;
  std::uint64_t LargeBytes() const;
  std::unique_ptr<State> state_;
};

}  // namespace polyglot::core
