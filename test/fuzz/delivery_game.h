#pragma once
// Delivery, driven by the input: operations, answers of every kind, time, holds and withdrawals
// come in any order. A model beside it knows where every operation is. At the end the target heals,
// and nothing may be left. How the target speaks is the Wire's.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/delivery/delivery.h"
#include "core/delivery/dialect.h"
#include "core/delivery/isolation.h"
#include "core/queue/settlement.h"

namespace polyglot::core {

inline void Require(bool condition) {
  if (!condition) std::abort();
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  std::uint8_t Byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::uint32_t Below(std::uint32_t end) { return Byte() % end; }
  bool OneIn(std::uint32_t n) { return Below(n) == n - 1; }
  std::string Text(std::size_t most) {
    const std::size_t length = std::min(most, size_);
    std::string text(reinterpret_cast<const char*>(data_), length);
    data_ += length;
    size_ -= length;
    return text;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

/// What the model knows of an operation; its version is its name.
struct Known {
  Operation operation;  // as submitted; tickets as merged since
  bool here = true;
  std::uint64_t batch = 0;  // in flight with it
  std::uint32_t last_status = 0;
  bool last_error = false;  // the last answer held an error for it
  bool may_die = false;     // by the answer that was just given
  bool gone = false;        // its sync was forgotten while it was in flight
};

/// What a target may say of one operation, in the terms of HTTP.
struct ItemForm {
  int status;
  const char* rest;  // how it is written
  bool error;
};

/// An operation in a body, read back.
struct Line {
  std::uint64_t version;
  std::string_view document;
};

class Wire {
 public:
  virtual ~Wire() = default;
  virtual const Dialect& dialect() const = 0;
  virtual std::vector<Line> Read(std::string_view body) const = 0;
  /// The first one is success.
  virtual std::span<const ItemForm> forms() const = 0;
  virtual std::string Items(std::span<const Operation* const> operations,
                            std::span<const ItemForm* const> forms) const = 0;
  /// A refusal as a whole; true: one operation alone may die of it.
  virtual bool Refuse(Input* input, Reply* reply) const = 0;
};

inline constexpr std::uint32_t kSyncs = 3;

/// Does an answer hold items for what was sent?
enum class Items { kYes, kNo, kPerhaps };

class Game {
 public:
  Game(const Wire& wire, const std::uint8_t* data, std::size_t size)
      : wire_(wire), input_(data, size), delivery_(Limits(), 7, wire.dialect()) {}

  void Play() {
    for (int i = 0; i < 3000 && !input_.empty(); ++i) {
      Step();
      Check();
    }
    Heal();
  }

 private:
  DeliveryLimits Limits();
  void Step();
  void Check();
  void Heal();

  void Submit();
  Operation Draw(std::int32_t sync, const std::string& id);
  void Hand(Operation operation);
  bool Send();
  void Note(const BulkBatch& batch);
  void Answer();
  void Complete(std::uint64_t id, const Reply& reply, Items items, bool refused);
  std::string ItemsBody(const std::vector<std::uint64_t>& versions, bool well);
  Reply DrawReply(const std::vector<std::uint64_t>& versions, Items* items, bool* refused);
  void Drain();
  void Judge(const Known& known, FinalOutcome outcome, Items items);
  bool MayBeAbandoned(std::uint64_t batch);
  void Leave(std::uint64_t version, const Operation& operation);
  void TakeFinished(const Finished& finished);
  void Withdraw(std::int32_t sync, std::uint64_t below);
  void Forget(std::int32_t sync);
  std::uint64_t Number(std::uint64_t* last) { return input_.OneIn(2) ? ++*last : 0; }

  const Wire& wire_;
  Input input_;
  DeliveryLimits limits_;
  std::size_t most_bytes_ = 0;
  std::uint32_t most_operations_ = 0;
  Delivery delivery_;
  Settlement settlement_;
  Time now_{1'000'000};
  std::uint64_t last_version_ = 0;
  Tickets last_tickets_;
  std::map<std::uint64_t, Known> known_;                           // by version
  std::map<std::uint64_t, std::vector<std::uint64_t>> in_flight_;  // batch → versions
  std::map<std::uint64_t, Time> started_;                          // batch → since when
  std::map<std::pair<std::int32_t, std::string>, std::uint64_t> newest_sent_;
  std::set<std::int32_t> held_;
};

inline DeliveryLimits Game::Limits() {
  limits_.max_in_flight = 1 + input_.Below(5);
  limits_.batch_operations = 1 + input_.Below(40);
  limits_.batch_bytes = 100 + 50 * std::size_t{input_.Byte()};
  limits_.linger = Time{input_.Below(3) * 1000};
  limits_.queued_operations = 100;
  most_bytes_ = std::max(most_bytes_, limits_.batch_bytes);
  most_operations_ = std::max(most_operations_, limits_.batch_operations);
  return limits_;
}

inline void Game::Step() {
  switch (input_.Below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return Submit();
    case 5:
    case 6:
    case 7:
      Send();
      return;
    case 8:
    case 9:
    case 10:
      return Answer();
    case 11:
      now_ += Time{1} * (1 << input_.Below(26));
      return;
    case 12: {
      const auto sync = static_cast<std::int32_t>(input_.Below(kSyncs));
      const bool hold = input_.OneIn(2);
      delivery_.HoldSync(sync, hold);
      hold ? (void)held_.insert(sync) : (void)held_.erase(sync);
      return;
    }
    case 13: {
      const auto sync = static_cast<std::int32_t>(input_.Below(kSyncs));
      const std::uint64_t back = input_.Byte();
      Withdraw(sync, back == 0 ? UINT64_MAX : last_version_ - std::min(last_version_, back));
      if (back == 0 && input_.OneIn(2)) Forget(sync);
      return;
    }
    case 14:
      if (input_.OneIn(4)) return delivery_.SetLimits(Limits());
      return delivery_.ResetBackoff(now_);
    default: {
      const Time due = delivery_.NextDeadline(now_);
      if (due != kNever) now_ = std::max(now_, due);
      return Drain();
    }
  }
}

inline Operation Game::Draw(std::int32_t sync, const std::string& id) {
  Operation op;
  op.sync = sync;
  op.version = ++last_version_;
  op.kind = input_.OneIn(4) ? OperationKind::kDelete : OperationKind::kIndex;
  op.index = std::make_shared<const std::string>("i");
  op.id = id;
  if (op.kind == OperationKind::kIndex)
    op.body = "{\"v\":\"" + std::string(std::size_t{input_.Byte()} * 4, 'x') + "\"}";
  op.key = id;
  op.tickets = {.scan = Number(&last_tickets_.scan),
                .page = Number(&last_tickets_.page),
                .walk = Number(&last_tickets_.walk),
                .probe = Number(&last_tickets_.probe)};
  return op;
}

inline void Game::Hand(Operation operation) {
  settlement_.Add(operation.sync, operation.tickets);
  known_[operation.version].operation = operation;
  delivery_.Submit(std::move(operation), now_);
}

inline void Game::Submit() {
  if (!delivery_.HasRoom()) return;
  const auto sync = static_cast<std::int32_t>(input_.Below(kSyncs));
  const std::string id(1, static_cast<char>('a' + input_.Below(12)));
  Operation first = Draw(sync, id);
  if (!input_.OneIn(4)) return Hand(std::move(first));
  // A row whose routing has changed: two operations of one id, the newer one may come first.
  Operation second = Draw(sync, id);
  first.routing = input_.OneIn(2) ? "x" : "y";
  const bool newer_first = input_.OneIn(2);
  if (newer_first) std::swap(first, second);
  Hand(std::move(first));
  Hand(std::move(second));
}

inline bool Game::Send() {
  const std::uint32_t before = delivery_.InFlight();
  const std::optional<BulkBatch> batch = delivery_.NextBatch(now_);
  if (!batch) {
    // Whoever sleeps until the deadline must not be woken at once for nothing.
    Require(delivery_.NextDeadline(now_) > now_);
    return false;
  }
  Require(before < limits_.max_in_flight + kMostApart + kMostAbandoned &&
          delivery_.InFlight() == before + 1);
  Require(batch->operations <= most_operations_);
  Require(batch->operations == 1 || batch->body->size() <= most_bytes_);
  Note(*batch);
  return true;
}

/// A late request that several syncs share is given up: what it carries may be sent again.
inline bool Game::MayBeAbandoned(std::uint64_t batch) {
  if (batch == 0 || !in_flight_.contains(batch) || now_ - started_[batch] < kLateAfter)
    return false;
  std::set<std::int32_t> syncs;
  for (const std::uint64_t version : in_flight_[batch])
    syncs.insert(known_[version].operation.sync);
  return syncs.size() > 1;
}

/// Reads the request back: every line is what was submitted, each operation's turn has come.
inline void Game::Note(const BulkBatch& batch) {
  std::vector<std::uint64_t>& versions = in_flight_[batch.id];
  started_[batch.id] = now_;
  for (const auto& [version, document] : wire_.Read(*batch.body)) {
    Require(known_.contains(version));
    Known& known = known_[version];
    const Operation& op = known.operation;
    Require(known.here && !held_.contains(op.sync));
    Require(known.batch == 0 || MayBeAbandoned(known.batch));
    for (const auto& [other, there] : known_)  // one in flight for each id
      Require(there.batch == 0 || there.operation.sync != op.sync || there.operation.id != op.id ||
              MayBeAbandoned(there.batch));
    std::uint64_t& newest = newest_sent_[{op.sync, op.id}];
    Require(version >= newest);
    newest = version;
    Require(document == op.body);
    known.batch = batch.id;
    versions.push_back(version);
  }
  Require(versions.size() == batch.operations);
}

inline std::string Game::ItemsBody(const std::vector<std::uint64_t>& versions, bool well) {
  std::vector<const Operation*> operations;
  std::vector<const ItemForm*> forms;
  const std::span<const ItemForm> all = wire_.forms();
  const std::uint32_t share = well ? 1 : 1 + input_.Below(8);  // one in so many goes wrong
  for (const std::uint64_t version : versions) {
    Known& known = known_[version];
    const ItemForm* form = &all[0];
    if (!well && input_.OneIn(share))
      form = &all[input_.Below(static_cast<std::uint32_t>(all.size()))];
    known.last_status = static_cast<std::uint32_t>(form->status);
    known.last_error = form->error;
    operations.push_back(&known.operation);
    forms.push_back(form);
  }
  return wire_.Items(operations, forms);
}

inline Reply Game::DrawReply(const std::vector<std::uint64_t>& versions, Items* items,
                             bool* refused) {
  Reply reply;
  reply.latency = Time{std::int64_t{input_.Byte()} * 20'000};
  reply.other_node = input_.OneIn(8);
  if (input_.OneIn(8)) reply.retry_after = Time{std::int64_t{input_.Byte()} * 100'000};
  const std::uint32_t kind = input_.Below(8);
  *items = kind < 4 ? Items::kYes : kind < 7 ? Items::kNo : Items::kPerhaps;
  if (kind == 4) {
    reply.transport_error = input_.OneIn(2) ? "connecting: refused" : "receiving: reset";
    reply.may_have_been_sent = input_.OneIn(2);
    reply.answer_cut = input_.OneIn(4);
    reply.out_of_memory = input_.OneIn(4);
    reply.timed_out = input_.OneIn(4);
    return reply;
  }
  reply.transport_ok = true;
  reply.status = 200;
  if (kind < 4) {
    reply.body = ItemsBody(versions, kind == 0);
  } else if (kind == 5) {
    *refused = wire_.Refuse(&input_, &reply);
  } else if (kind == 6) {  // right, but cut, or of other operations
    reply.body = ItemsBody(versions, false);
    if (input_.OneIn(2)) {
      reply.body.resize(std::size_t{input_.Byte()} * reply.body.size() / 256);
    } else {
      std::vector<std::uint64_t> others = versions;
      input_.OneIn(2) ? others.push_back(versions[0]) : others.pop_back();
      reply.body = ItemsBody(others, false);
    }
  } else {
    reply.body = input_.Text(input_.Byte());
  }
  return reply;
}

inline void Game::Answer() {
  if (in_flight_.empty()) return;
  const auto it = std::next(
      in_flight_.begin(),
      static_cast<std::ptrdiff_t>(input_.Below(static_cast<std::uint32_t>(in_flight_.size()))));
  Items items = Items::kNo;
  bool refused = false;
  const Reply reply = DrawReply(it->second, &items, &refused);
  Complete(it->first, reply, items, refused);
}

inline void Game::Complete(std::uint64_t id, const Reply& reply, Items items, bool refused) {
  Drain();
  const bool abandoned = MayBeAbandoned(id);
  std::vector<std::uint64_t> versions = std::move(in_flight_[id]);
  in_flight_.erase(id);
  std::erase_if(versions, [&](std::uint64_t version) { return known_[version].batch != id; });
  refused = refused && versions.size() == 1;
  for (const std::uint64_t version : versions) {
    Known& known = known_[version];
    known.batch = 0;
    known.may_die =
        (items == Items::kYes && known.last_error) || items == Items::kPerhaps || refused;
  }
  delivery_.Complete(id, reply, now_);
  for (const Finished& finished : delivery_.TakeFinished()) {
    if (finished.outcome != FinalOutcome::kReplaced) {
      const std::uint64_t version = finished.operation.version;
      Require(std::find(versions.begin(), versions.end(), version) != versions.end());
      Judge(known_[version], finished.outcome, items);
    }
    TakeFinished(finished);
  }
  if (!abandoned)
    for (const std::uint64_t version : versions)
      Require(!known_[version].gone || !known_[version].here);
  delivery_.TakeEvents();
}

inline void Game::Forget(std::int32_t sync) {
  delivery_.Forget(sync);
  for (auto& [version, known] : known_)
    if (known.here && known.operation.sync == sync) known.gone = true;
}

/// A request that failed as a whole makes no success, and no dead letter of a group. What would be
/// sent again, if its sync were still there, comes back with it.
inline void Game::Judge(const Known& known, FinalOutcome outcome, Items items) {
  if (outcome == FinalOutcome::kReturned) return Require(known.gone);
  if (outcome == FinalOutcome::kDead) return Require(known.may_die);
  Require(items != Items::kNo);
  if (items == Items::kPerhaps) return;  // the input may have written a right answer by itself
  const bool conflict = known.last_status == 409;
  if (outcome == FinalOutcome::kStale) return Require(conflict);
  Require((known.last_status < 300 || known.last_status == 404) && !known.last_error);
}

inline void Game::Leave(std::uint64_t version, const Operation& operation) {
  Require(known_.contains(version));
  Known& known = known_[version];
  Require(known.here && (known.batch == 0 || MayBeAbandoned(known.batch)));
  known.batch = 0;
  const Operation& submitted = known.operation;
  Require(operation.sync == submitted.sync && operation.id == submitted.id &&
          operation.routing == submitted.routing && operation.kind == submitted.kind);
  known.here = false;
}

inline bool Same(const Tickets& a, const Tickets& b) {
  return a.scan == b.scan && a.page == b.page && a.walk == b.walk && a.probe == b.probe;
}

inline void Game::TakeFinished(const Finished& finished) {
  const Operation& op = finished.operation;
  Leave(op.version, op);
  if (finished.outcome == FinalOutcome::kDead || finished.outcome == FinalOutcome::kReturned)
    Require(op.body == known_[op.version].operation.body);
  Require(Same(op.tickets, known_[op.version].operation.tickets));
  if (finished.outcome != FinalOutcome::kReplaced) return settlement_.Release(op.sync, op.tickets);
  Require(op.body.empty());
  const auto next = std::find_if(known_.upper_bound(op.version), known_.end(), [&](const auto& it) {
    const Operation& other = it.second.operation;
    return it.second.here && other.sync == op.sync && other.id == op.id &&
           other.routing == op.routing;
  });
  Require(next != known_.end());
  Tickets& successor = next->second.operation.tickets;
  Require(Same(successor, finished.successor));
  settlement_.Replace(op.sync, &successor, op.tickets);
}

inline void Game::Drain() {
  for (const Finished& finished : delivery_.TakeFinished()) TakeFinished(finished);
}

inline void Game::Withdraw(std::int32_t sync, std::uint64_t below) {
  std::vector<Operation> withdrawn = delivery_.Withdraw(sync, below);
  Drain();  // replaced by one that was withdrawn
  for (const Operation& op : withdrawn) {
    Require(op.sync == sync && op.version < below);
    Leave(op.version, op);
    const Operation& submitted = known_[op.version].operation;
    Require(op.body == submitted.body && op.key == submitted.key);
    Require(Same(op.tickets, submitted.tickets));
    settlement_.Release(sync, op.tickets);
  }
  bool left = false;
  for (const auto& [version, known] : known_) {
    if (!known.here || known.operation.sync != sync || version >= below) continue;
    Require(known.batch != 0);
    left = true;
  }
  const bool abandoned = std::any_of(in_flight_.begin(), in_flight_.end(), [&](const auto& batch) {
    return MayBeAbandoned(batch.first);
  });
  Require(delivery_.AnyInFlight(sync, below) == left || abandoned);
}

inline void Game::Check() {
  Require(delivery_.InFlight() == in_flight_.size());
  if (!input_.OneIn(4)) return;
  Drain();
  std::uint64_t count = 0;
  std::array<std::uint64_t, kSyncs> each{};
  std::array<Tickets, kSyncs> lowest{};
  for (const auto& [version, known] : known_) {
    if (!known.here) continue;
    const auto sync = static_cast<std::size_t>(known.operation.sync);
    ++count;
    ++each[sync];
    lowest[sync] = Settlement::Merge(lowest[sync], known.operation.tickets);
  }
  Require(delivery_.QueuedOperations() == count && delivery_.Idle() == (count == 0));
  for (std::size_t i = 0; i < kSyncs; ++i) {
    const auto sync = static_cast<std::int32_t>(i);
    Require(delivery_.Outstanding(sync) == each[i]);
    const auto settled = [](std::uint64_t low, std::uint64_t last) {
      return low == 0 ? last : low - 1;
    };
    const Tickets& last = last_tickets_;
    Require(settlement_.SettledScan(sync, last.scan) == settled(lowest[i].scan, last.scan));
    Require(settlement_.SettledPage(sync, last.page) == settled(lowest[i].page, last.page));
    Require(settlement_.SettledWalk(sync, last.walk) == settled(lowest[i].walk, last.walk));
    Require(settlement_.SettledProbe(sync, last.probe) == settled(lowest[i].probe, last.probe));
  }
}

/// From now on all is well: everything arrives without anybody's help, and nothing is left.
inline void Game::Heal() {
  for (std::uint32_t i = 0; i < kSyncs; ++i)
    delivery_.HoldSync(static_cast<std::int32_t>(i), false);
  held_.clear();
  for (int round = 0; !delivery_.Idle() || !in_flight_.empty(); ++round) {
    Require(round < 5000);
    while (Send()) continue;
    if (in_flight_.empty()) {
      const Time due = delivery_.NextDeadline(now_);
      Require(due != kNever);
      now_ = std::max(now_, due);
      continue;
    }
    const auto [id, versions] = *in_flight_.begin();
    Reply reply;
    reply.transport_ok = true;
    reply.status = 200;
    reply.body = ItemsBody(versions, true);
    Complete(id, reply, Items::kYes, false);
  }
  Drain();
  for (const auto& [version, known] : known_) Require(!known.here);
  Require(delivery_.QueuedBytes() == 0 && delivery_.QueuedOperations() == 0);
  for (std::uint32_t i = 0; i < kSyncs; ++i) {
    const auto sync = static_cast<std::int32_t>(i);
    Require(settlement_.OutstandingEvents(sync) == 0);
    Require(settlement_.SettledPage(sync, last_tickets_.page) == last_tickets_.page);
  }
  Require(delivery_.NextDeadline(now_) == kNever && !delivery_.NextBatch(now_));
}

}  // namespace polyglot::core
