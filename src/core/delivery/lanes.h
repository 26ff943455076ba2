#pragma once
// Operations that wait. Every (sync, id) is a lane: one operation of it is in flight at most, the
// others wait in the order of their versions (deletes of former routings: after what was made with
// them), and a newer one of the same (id, routing) takes the place of an older one. Lanes whose
// turn it is stand in the ready queue of their sync; syncs take turns. Small amounts of several
// syncs share a request; a sync with much to send, one that is blocked and one that is set apart
// (isolation.h) share with nobody. No call walks over all operations but Withdraw and ResetBackoff.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/delivery/dialect.h"
#include "core/delivery/finished.h"
#include "core/delivery/pressure.h"
#include "core/hash_index.h"
#include "core/operation.h"
#include "core/time.h"

namespace polyglot::core {

struct SyncQueue;

/// An operation with what delivery remembers about it.
struct Pending {
  Operation operation;
  std::size_t encoded = 0;        // bytes in a bulk body
  std::size_t footprint = 0;      // bytes in memory, as when it was submitted
  std::uint32_t retries = 0;      // answers that asked for another try
  std::uint32_t refusals = 0;     // answers of the kind that is tolerated only so often
  std::uint32_t unavailable = 0;  // answers "this shard is away"
  bool alone = false;             // may only travel in a request of its own
  LoneRefusals room;              // for want of memory
};

/// Where it goes, from lane to request and back, it stays where it is in memory.
using PendingPtr = std::unique_ptr<Pending>;

struct Lane {
  enum class State : std::uint8_t { kIdle, kReady, kDelayed, kInFlight };
  SyncQueue* queue = nullptr;  // nullptr: in nobody's use
  std::int32_t sync = 0;
  std::string id;
  std::size_t hash = 0;
  std::vector<PendingPtr> waiting;  // each routing stands here once
  State state = State::kIdle;
  Time since{0};            // kReady: since when
  std::size_t counted = 0;  // kReady: its share of the queue's ready_bytes
};

struct SyncQueue {
  std::int32_t sync = 0;
  std::deque<Lane*> ready;
  std::deque<Lane*> alone;
  std::size_t ready_bytes = 0;
  std::uint64_t outstanding = 0;  // waiting and in flight
  std::uint64_t bytes = 0;        // of these
  std::uint64_t large_bytes = 0;  // of those of them that are large
  bool held = false;
  bool apart = false;
  bool blocked = false;      // one operation at a time tries whether it still is
  std::uint32_t blocks = 0;  // in a row
  Time not_before{0};        // while blocked
  Time probe_delay{0};
};

/// An operation taken out of its lane for a request; the lane stays occupied until Finish or
/// Return.
struct Taken {
  Lane* lane = nullptr;
  PendingPtr pending;
};

/// What could be sent now of all syncs that may share a request, or of one that may not.
struct ReadySurvey {
  std::int32_t sync = 0;
  std::size_t bytes = 0;
  std::size_t operations = 0;
  bool alone = false;    // something that travels in a request of its own
  Time oldest = kNever;  // since when the first of them waits
  Time from{0};          // a blocked sync: when it may be tried
};

class Lanes {
 public:
  /// The dialect outlives it.
  explicit Lanes(const Dialect& dialect) : dialect_(dialect) {}

  void Submit(Operation&& operation, Time now, std::vector<Finished>* replaced);

  /// Of the syncs that may share a request, and of each of the others that has something.
  ReadySurvey Survey() const;
  std::vector<ReadySurvey> SurveyApart() const;
  /// Of one sync that has much, or of several that have little.
  std::vector<Taken> Take(std::size_t max_bytes, std::size_t max_operations, Time now);
  std::vector<Taken> TakeAlone(Time now);
  /// Of this sync; what travels in a request of its own first.
  std::vector<Taken> TakeOf(std::int32_t sync, std::size_t max_bytes, std::size_t max_operations,
                            Time now);

  /// The operation in flight on this lane has its outcome: the next one may go. The lane may be
  /// gone after that, and `pending` is another one's memory. Returns the operation.
  Operation Finish(Lane* lane, PendingPtr pending, Time now);
  /// It has none: it waits again, until `due` (already past: at once). A newer one that has come
  /// meanwhile replaces it.
  void Return(Lane* lane, PendingPtr pending, Time due, Time now, std::vector<Finished>* replaced);

  void Promote(Time now);  // what has waited long enough becomes ready
  Time NextDue() const;    // when Promote has something to do
  void ResetBackoff(Time now);

  void Hold(std::int32_t sync, bool hold);
  bool Held(std::int32_t sync) const;
  void SetApart(std::int32_t sync, bool apart);
  /// Does it share requests with nobody?
  bool Apart(std::int32_t sync) const;
  bool Blocked(std::int32_t sync) const;
  /// Nothing of it is taken for `delay`, then one operation each `delay` until Unblock.
  void Block(std::int32_t sync, Time delay, Time now);
  void Unblock(std::int32_t sync);
  /// As Block, but the first operation may be tried at once. Nothing if it is blocked already.
  void Probe(std::int32_t sync, Time now);
  std::uint32_t Blocks(std::int32_t sync) const;  // how often in a row

  /// Takes out what waits in lanes (not what is in a request).
  std::vector<Operation> Withdraw(std::int32_t sync, std::uint64_t below);

  std::uint64_t Outstanding(std::int32_t sync) const;
  std::uint64_t OutstandingBytes(std::int32_t sync) const;
  /// Of operations so large that one alone would leave others no room in memory.
  std::uint64_t LargeBytes(std::int32_t sync) const;
  std::uint64_t large_bytes() const { return large_bytes_; }
  std::uint64_t large_operations() const { return large_operations_; }
  std::uint64_t operations() const { return operations_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  SyncQueue* QueueOf(std::int32_t sync);
  Lane* LaneOf(std::int32_t sync, const std::string& id);
  void Drop(Lane* lane);
  PendingPtr NewPending(Operation&& operation);
  Operation Release(PendingPtr pending);
  void TrimSpare();  // a burst is over
  void TakeOver(Pending* newer, PendingPtr older, std::vector<Finished>* replaced);
  void Insert(Lane* lane, PendingPtr pending, std::vector<Finished>* replaced);
  void Enter(SyncQueue* queue, std::size_t footprint);
  void Leave(SyncQueue* queue, std::size_t footprint);
  void MakeReady(Lane* lane, Time since, bool front);
  Taken TakeFront(Lane* lane);
  Taken TakeFrontAlone(SyncQueue* queue, Time now);
  SyncQueue* NextLarge(Time now);
  void VaryProbe(SyncQueue* queue);
  void TakeFrom(SyncQueue* queue, std::size_t max_bytes, std::size_t max_operations, Time now,
                std::size_t* bytes, std::vector<Taken>* taken);
  void EraseIfEmpty(SyncQueue* queue);
  void DropEmptyLanes(SyncQueue* queue);

  const Dialect& dialect_;
  std::deque<Lane> pool_;    // lanes stay where they are, and keep their memory for the next id
  std::vector<Lane*> free_;  // of these
  std::vector<PendingPtr> spare_;  // memory for what is submitted next
  HashIndex<Lane> lanes_;          // the others, by sync and id
  std::map<std::int32_t, SyncQueue> queues_;
  std::multimap<Time, Lane*> delayed_;
  std::set<std::int32_t> apart_;
  std::int32_t turn_ = 0;        // the sync that filled the last shared batch first
  std::int32_t large_turn_ = 0;  // the sync that had the last batch to itself
  bool shared_last_ = false;
  std::uint64_t probes_ = 0;  // operations of blocked syncs that were tried
  std::uint64_t operations_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t large_bytes_ = 0, large_operations_ = 0;
};

}  // namespace polyglot::core
