#pragma once
// One connection to the server with one set of credentials: its HTTP client, its delivery, and the
// other requests (index, alias, point in time) with what is to be done with their answers.

#include <functional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/delivery/delivery.h"
#include "net/search_client.h"
#include "pg/prelude.h"

namespace polyglot::pg {

using OnResponse = std::function<void(const net::Response&)>;

class Channel {
 public:
  Channel(Oid user, net::ConnectionConfig config, const core::DeliveryLimits& limits,
          std::uint64_t seed);

  Oid user() const { return user_; }
  net::SearchClient& client() { return client_; }
  core::Delivery& delivery() { return delivery_; }
  int poll_fd() const { return client_.poll_fd(); }
  const std::string& product() const { return product_; }

  /// A request other than bulk; `answer` is called from Pump (C++ phase: no PostgreSQL calls).
  /// `answer_cap` as for SearchClient::Start.
  void Ask(std::string_view method, std::string_view path, std::string body, core::Time now,
           OnResponse answer, std::size_t answer_cap = 0);
  /// The same for what must be answered in time even while the worker waits for something else.
  void AskUrgently(std::string_view method, std::string_view path, std::string body, core::Time now,
                   OnResponse answer);
  /// Takes the answers to those requests and no others: nothing else changes.
  void PumpUrgent(core::Time now);
  /// Moves everything that can move without waiting: answers in, bulk requests out. true: an answer
  /// came; what follows from it must be taken before anybody waits.
  bool Pump(core::Time now);
  core::Time NextDeadline(core::Time now) const;
  /// Waits for answers and takes them, without sending anything more: for the end of the process.
  /// false: it is past `end`.
  bool WaitForAnswers(core::Time end);

  bool connected() const { return connected_; }
  bool denied() const { return denied_; }
  void set_state(bool connected, bool denied, core::Time now);
  /// A bulk request has failed, or found nobody.
  void DeliveryFailed(bool denied, core::Time now);
  /// Other requests are answered, bulk requests were not: a proxy may treat them differently, or
  /// one of them is at fault. A few operations are tried, until one of them has an outcome.
  bool on_trial() const { return connected_ && unproven_; }
  /// There is nothing to try it with.
  void EndTrial() { unproven_ = false; }
  /// So long without an answer that its syncs park their keys: a hiccup does not count.
  bool Away(core::Time now) const {
    return (!connected_ || unproven_) && now - away_since_ >= kGrace;
  }
  /// May a server that is away be asked whether it is back? Nodes that do not answer have a
  /// back-off of their own; this one is for those that answer with an error.
  core::Time NextProbe(core::Time now) const;
  void ProbeFailed(bool answered, core::Time now);
  void ProbeAtOnce() { probe_at_ = core::Time{0}; }
  /// Delivery works: the back-off of probes starts over.
  void Delivered() {
    probe_wait_ = core::Time{0};
    unproven_ = false;
  }
  /// true once after each return of the server.
  bool TakeReturned() { return std::exchange(returned_, false); }
  std::int32_t last_probe = 0;  // sync whose index was asked for last while the server was away
  /// Credentials, secret files and addresses were read again at this time.
  core::Time configured_at{0};
  unsigned attended = 0;  // its state when all of its syncs were looked at
  std::string trouble;    // why the credentials cannot be used, as last reported
  std::string why;        // it is not connected, while it is not

 private:
  bool TakeAnswers(core::Time now);
  void Dispatch(const net::Response& response, core::Time now);

  Oid user_;
  net::SearchClient client_;
  core::Delivery delivery_;
  std::unordered_map<std::uint64_t, std::uint64_t> bulks_;  // request → batch
  std::unordered_map<std::uint64_t, OnResponse> answers_;
  std::set<std::uint64_t> urgent_;
  std::string product_;
  static constexpr core::Time kGrace{3'000'000};
  bool connected_ = true, denied_ = false, returned_ = false;
  bool unproven_ = false;  // no operation has had an outcome since a bulk request failed
  core::Time away_since_{0}, probe_at_{0}, probe_wait_{0};
};

}  // namespace polyglot::pg
