#pragma once
// The inside of Delivery: requests in flight, requests that wait to be sent again, and the
// reactions to answers. Only delivery.cpp and reactions.cpp include this.

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/backoff.h"
#include "core/bulk_batch.h"
#include "core/bulk_response.h"
#include "core/delivery.h"
#include "core/flow_control.h"
#include "core/lanes.h"
#include "core/outcome.h"
#include "core/refusals.h"

namespace polyglot::core {

struct Delivery::State {
  enum class Server : std::uint8_t { kUnknown, kConnected, kDisconnected, kDenied };

  State(const DeliveryLimits& l, std::uint64_t seed)
      : limits(l), random(seed), flow(l.max_in_flight, l.batch_bytes) {}

  std::uint32_t InFlight() const { return static_cast<std::uint32_t>(in_flight.size()); }
  bool Away() const { return server == Server::kDisconnected || server == Server::kDenied; }
  std::uint32_t Allowed() const;  // requests at once
  BulkBatch Start(Batch batch);
  std::optional<Batch> NextRetry(Time now);
  std::optional<Batch> NextFresh(Time now);
  Time FreshDue(const ReadySurvey& survey, Time now) const;
  /// Every request that waits is due, those that are suspected of causing the trouble only if
  /// asked.
  void RetryAllNow(bool suspects, Time now);

  void ApplyItems(Batch batch, std::vector<BulkItem> answers, Time latency, Time now);
  void ApplyVerdict(Batch batch, const BulkReply& reply, const RequestVerdict& verdict, Time now);

  /// The batch is sent again, without what has gone.
  void Again(Batch batch, Time due);
  /// The batch ends; its operations go back to their lanes until `due`.
  void Dissolve(Batch batch, Time due, Time now);

  // One item of a 200 answer. `tally` gathers what concerns the whole answer.
  struct Tally {
    std::size_t back_pressure = 0;
    bool smaller = false;
    Time due{0};  // of the items that are retried
    std::map<std::int32_t, std::uint64_t> retried;
    std::map<std::int32_t, std::string> blocked, missing;  // sync → why
    std::vector<std::int32_t> succeeded;                   // neighbours distinct
  };
  void ApplyItem(Batch* batch, BatchItem* item, BulkItem answer, Tally* tally, Time now);
  void ReturnItem(Batch* batch, BatchItem* item, Time due, Time now);
  void FinishItem(BatchItem* item, FinalOutcome outcome, int status, bool not_found, Time now);
  /// A permanent refusal: a dead letter, unless the sync's index refuses so much alike that the
  /// index is at fault, not the documents. Then the operation returns and `why` says so.
  void Refuse(Batch* batch, BatchItem* item, BulkItem answer, bool field_limit,
              std::optional<std::string>* why, Time now);
  void FinishDead(const Batch& batch, BatchItem* item, int status, std::string type,
                  std::string reason, Time now);
  void Conclude(const Tally& tally, Time now);
  void BlockSync(std::int32_t sync, DeliveryEvent::Kind kind, const std::string& error, Time now);

  // A request that was refused or not answered as a whole.
  void RetryLater(Batch batch, const BulkReply& reply, Time now);
  void ServerAway(Batch batch, const BulkReply& reply, const std::string& error, Server why,
                  Time now);
  void Suspect(Batch batch, const BulkReply& reply, const RequestVerdict& verdict, Time now);
  void SplitOrBury(Batch batch, const BulkReply& reply, const RequestVerdict& verdict, Time now);
  void Split(Batch batch, bool by_bytes, Time due);
  void CountRetried(const Batch& batch);

  void Connected(Time now);
  void Lost(Server why, const std::string& error);
  void Emit(DeliveryEvent::Kind kind, std::int32_t sync, std::string error, std::uint64_t count);

  DeliveryLimits limits;
  Random random;
  FlowControl flow;
  Lanes lanes;
  Refusals refusals;
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
