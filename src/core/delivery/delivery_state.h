#pragma once
// The inside of Delivery: requests in flight, requests that wait to be sent again, and the
// reactions to answers. Only delivery.cpp, schedule.cpp, retry.cpp and too_large.cpp include
// this.

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/backoff.h"
#include "core/delivery/batch.h"
#include "core/delivery/delivery.h"
#include "core/delivery/delivery_event.h"
#include "core/delivery/dialect.h"
#include "core/delivery/finished.h"
#include "core/delivery/flow_control.h"
#include "core/delivery/isolation.h"
#include "core/delivery/lanes.h"
#include "core/delivery/pressure.h"
#include "core/delivery/refusals.h"
#include "core/delivery/reply.h"
#include "core/delivery/verdict.h"

namespace polyglot::core {

inline constexpr BackoffPolicy kRequestBackoff{.base = Time{100'000}, .cap = Time{30'000'000}};
inline constexpr std::size_t kSmallBody = 64u << 10;
inline constexpr std::uint32_t kRejectedTries = 3;  // 429 for the same so often: it goes in parts,
inline constexpr std::uint32_t kSmallRejectedTries = 6;  // and so often what was small already

/// Why a document that never fits was given up, with the server's reason.
std::string TooLargeText(const Pending& pending, const std::string& reason);

/// Only what may have reached the server is sent *again*.
inline bool WasSent(const Reply& reply) { return reply.transport_ok || reply.may_have_been_sent; }

struct Delivery::State {
  enum class Server : std::uint8_t { kUnknown, kConnected, kDisconnected, kDenied };

  State(const DeliveryLimits& l, std::uint64_t seed, const Dialect& d)
      : limits(l), dialect(d), random(seed), flow(l.max_in_flight, l.batch_bytes), lanes(d) {}

  std::uint32_t InFlight() const { return static_cast<std::uint32_t>(in_flight.size()); }
  bool Away() const { return server == Server::kDisconnected || server == Server::kDenied; }
  static constexpr std::int32_t kShared = INT32_MIN;  // no sync: all that share requests

  // Requests under way.
  struct Flying {
    std::uint32_t shared = 0, apart = 0, abandoned = 0;
    std::uint32_t own = 0;  // of the sync that was asked for
  };
  std::uint32_t Allowed() const;  // requests at once
  std::uint32_t AllowedApart() const;
  Flying Fly(std::int32_t sync) const;
  /// May another request go: of the sync `apart`, which shares with nobody, or of all others?
  bool MaySend(std::int32_t apart) const;
  std::int32_t ClassOf(const Batch& batch) const;
  bool MustDissolve(const Batch& batch) const;
  BulkBatch Start(Batch batch, Time now);
  std::optional<Batch> NextRetry(Time now);
  std::optional<Batch> NextShared(Time now);
  std::optional<Batch> NextApart(Time now);
  Time RetryDue() const;
  Time FreshDue(const ReadySurvey& survey, std::uint32_t flying) const;
  Time SharedDue() const;
  Time ApartDue(const ReadySurvey& survey) const;
  Time ApartDue() const;
  /// What has not been answered for too long.
  Time LateDue() const;
  void NoteLate(Time now);
  void WasLate(Batch* batch, Time now);
  void WasSlow(Batch* batch, Time now);
  void Abandon(Batch* batch, Time now);
  void SetApart(const std::vector<std::int32_t>& syncs);
  /// Every request that waits is due, those that are suspected of causing the trouble only if
  /// asked.
  void RetryAllNow(bool suspects, Time now);

  void ApplyItems(Batch batch, std::vector<ItemJudgement> answers, Time latency, Time now);
  void ApplyVerdict(Batch batch, const Reply& reply, const RequestVerdict& verdict, Time now);

  /// The batch is sent again, without what has gone.
  void Again(Batch batch, Time due);
  /// The batch ends; its operations go back to their lanes until `due`.
  void Dissolve(Batch batch, Time due, Time now);

  // One item of a 200 answer. `tally` gathers what concerns the whole answer.
  struct Tally {
    std::size_t back_pressure = 0;
    std::vector<std::int32_t> rejected;  // syncs with such items
    bool smaller = false;
    bool waited = false;  // the server has waited for a shard itself
    Time due{0};          // of the items that are retried
    std::map<std::int32_t, std::uint64_t> retried;
    std::map<std::int32_t, std::string> blocked, missing;  // sync → why
    std::vector<std::int32_t> succeeded;                   // neighbours distinct
  };
  void Regulate(const Batch& batch, const Tally& tally, Time latency, Time now);
  /// Were others than its first sync answered in time lately?
  bool OthersInTime(const Batch& batch, Time now) const;
  bool OnlyOne(const Batch& batch, Time now) const;
  void ApplyItem(Batch* batch, BatchItem* item, ItemJudgement answer, Tally* tally, Time now);
  void ReturnItem(Batch* batch, BatchItem* item, Time due, Time now);
  void FinishItem(BatchItem* item, FinalOutcome outcome, int status, bool not_found, Time now);
  /// A permanent refusal: a dead letter, unless the sync's index refuses so much alike that the
  /// index is at fault, not the documents. Then the operation returns and `why` says so.
  void Refuse(Batch* batch, BatchItem* item, ItemJudgement answer, bool field_limit,
              std::optional<std::string>* why, Time now);
  void FinishDead(const Batch& batch, BatchItem* item, int status, std::string type,
                  std::string reason, Time now);
  void Conclude(const Tally& tally, Time now);
  void BlockSync(std::int32_t sync, DeliveryEvent::Kind kind, const std::string& error, Time now);

  // A request that was refused or not answered as a whole.
  void TakeLateAnswer(const Reply& reply, Time now);
  /// Refused for want of room: noted; true if this one document will be for good.
  bool TooLargeForGood(Batch* batch, BatchItem* item, bool whole, bool for_memory, Time now);
  bool BuryTooLarge(Batch* batch, const Reply& reply, const RequestVerdict& verdict, Time now);
  void RetryAlone(Batch batch, const Reply& reply, const RequestVerdict& verdict, Time now);
  static bool IsTooMuch(const Batch& batch);
  /// Sent again: whole, or in halves when it is too much at once.
  void AgainInParts(Batch batch, Time due);
  void RetryLater(Batch batch, const Reply& reply, const RequestVerdict& verdict, Time now);
  void ServerAway(Batch batch, const Reply& reply, const RequestVerdict& verdict, Server why,
                  Time now);
  /// A request was lost that others than its syncs were not.
  bool IndexAway(Batch* batch, const Reply& reply, const std::string& error, Time now);
  /// Before the server is taken for away. true: the request is sent again to find out who is.
  bool FindOut(Batch* batch, const Reply& reply, Time now);
  bool OthersUnderWay(const Batch& batch, Time now) const;
  /// Its operations are sent again, each sync's by themselves.
  void Isolate(Batch batch, Time due, Time now);
  void Suspect(Batch batch, const Reply& reply, const RequestVerdict& verdict, Time now);
  void SplitOrBury(Batch batch, const Reply& reply, const RequestVerdict& verdict, Time now);
  void Split(Batch batch, bool by_bytes, Time due);
  void CountRetried(const Batch& batch);

  void Connected(Time now);
  void Lost(Server why, const std::string& error);
  void Emit(DeliveryEvent::Kind kind, std::int32_t sync, std::string error, std::uint64_t count);

  DeliveryLimits limits;
  const Dialect& dialect;
  Random random;
  FlowControl flow;
  Lanes lanes;
  Refusals refusals;
  Isolation isolation;
  Pressure pressure;
  std::unordered_map<std::uint64_t, Batch> in_flight;
  std::multimap<Time, Batch> retries;  // by when they are due
  std::uint64_t last_batch = 0;
  Server server = Server::kUnknown;
  std::string server_error;         // the last one reported
  std::uint32_t failures = 0;       // requests in a row without a usable answer
  std::uint32_t large_lost = 0;     // large requests in a row that the connection was lost under
  std::uint32_t lone_refusals = 0;  // single operations refused in a row, nothing accepted between
  std::string lone_type;            // their error type
  Time paused_until{0};
  std::vector<Finished> finished;
  std::vector<DeliveryEvent> events;
};

}  // namespace polyglot::core
