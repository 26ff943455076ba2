#pragma once
// The delivery state machine of one (server, credentials): operations in, bulk requests out, replies
// in, outcomes out. Pure: no I/O, no clock. Guarantees:
//   * one operation in flight per (sync, id); a second one waits, and a newer one of the same
//     (id, routing) replaces an older one that waits (tickets merge, see operation.h);
//   * operations of one id are sent in the order of their versions;
//   * an operation leaves only with an outcome; retries keep their version;
//   * memory is bounded by the caller asking HasRoom() before it submits.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/operation.h"
#include "core/settlement.h"
#include "core/time.h"

namespace polyglot::core {

struct DeliveryLimits {
  std::uint32_t max_in_flight = 8;         // bulk requests at once
  std::size_t batch_bytes = 5u << 20;      // soft limit of a bulk body; one larger document travels alone
  std::uint32_t batch_operations = 5000;
  Time linger{2000};                       // how long a partial batch waits for more while idle
  std::size_t queued_bytes = 24u << 20;    // HasRoom() is false beyond either of these
  std::uint32_t queued_operations = 50000;
};

/// What came back for one bulk request, as net saw it.
struct BulkReply {
  bool transport_ok = false;      // false: no complete HTTP answer; transport_error says why
  std::string transport_error;    // names the phase (resolve, connect, TLS, send, wait, receive)
  bool may_have_been_sent = true; // false: surely nothing reached the server
  int http_status = 0;
  std::string body;
  Time retry_after{0};            // from the Retry-After header, 0 = none
};

enum class FinalOutcome : std::uint8_t {
  kOk,         // applied
  kStale,      // refused by version: a newer one is there (also success)
  kDead,       // dead letter: the server will never take it as it is
  kReplaced,   // a newer operation of the same (id, routing) took its tickets over
};

struct Finished {
  Operation operation;
  FinalOutcome outcome = FinalOutcome::kOk;
  bool not_found = false;     // a delete that found nothing: may have auto-created a missing index
  int http_status = 0;
  std::string error_type;     // for kDead: the server's words, may quote row values
  std::string error_reason;
};

/// Something that stops a whole sync or the whole server; the worker decides what to do.
struct DeliveryEvent {
  enum class Kind : std::uint8_t {
    kConnected,     // first success after kDisconnected, or first ever
    kDisconnected,  // the server cannot be reached, or answers nothing usable
    kDenied,        // 401/403/407 of the whole request: the credentials
    kBlocked,       // this sync's index cannot take writes now (operation returned through Withdraw)
    kIndexMissing,  // this sync's index is gone
    kRetried,       // items will be sent again (count)
  };
  Kind kind = Kind::kConnected;
  std::int32_t sync = 0;  // 0: the server
  std::string error;      // normalised, without row values
  std::uint64_t count = 0;
};

struct BulkBatch {
  std::uint64_t id = 0;
  std::shared_ptr<const std::string> body;  // NDJSON; immutable, shared by retries
  std::uint32_t operations = 0;
};

class Delivery {
 public:
  explicit Delivery(const DeliveryLimits& limits, std::uint64_t random_seed);
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  void SetLimits(const DeliveryLimits& limits);
  bool HasRoom() const;
  bool Idle() const;  // nothing queued, nothing in flight
  std::uint64_t QueuedOperations() const;
  std::uint64_t QueuedBytes() const;
  std::uint32_t InFlight() const;  // bulk requests

  void Submit(Operation operation, Time now);

  /// The next request that may be sent now. `hold` is true for syncs that must not be written to at
  /// the moment (index not checked yet): their operations wait.
  std::optional<BulkBatch> NextBatch(Time now);
  void HoldSync(std::int32_t sync, bool hold);

  void Complete(std::uint64_t batch_id, const BulkReply& reply, Time now);

  /// When NextBatch may have something that it has not now (linger, back-off); kNever if only a
  /// Complete or Submit can change that.
  Time NextDeadline(Time now) const;
  /// run_sync: every back-off ends now.
  void ResetBackoff(Time now);

  std::vector<Finished> TakeFinished();
  std::vector<DeliveryEvent> TakeEvents();

  /// Takes back every operation of this sync that is not in flight and has a version below
  /// `below` (UINT64_MAX: all). The caller owns their tickets again.
  std::vector<Operation> Withdraw(std::int32_t sync, std::uint64_t below);
  /// Is any operation of this sync with a version below `below` in flight?
  bool AnyInFlight(std::int32_t sync, std::uint64_t below) const;
  std::uint64_t Outstanding(std::int32_t sync) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polyglot::core
