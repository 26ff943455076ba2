#include "core/delivery/lanes.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "core/queue/settlement.h"

namespace polyglot::core {
namespace {

constexpr Time kProbePatience{1'000'000};  // until another one is tried, if the first says nothing

constexpr std::size_t kLargeShare = 64u << 10;    // with more than that a sync shares with nobody
constexpr std::size_t kSharedBytes = 256u << 10;  // what several syncs send together
constexpr std::size_t kLargeOperation = 4u << 20;
// Beyond so many, they are given back when none is in use.
constexpr std::size_t kLanesKept = 1024;
constexpr std::size_t kSpare = 8192, kSpareIdle = 1024;

std::size_t HashOf(std::int32_t sync, std::string_view id) {
  return std::hash<std::string_view>{}(id) ^
         (static_cast<std::uint32_t>(sync) * 0x9E3779B97F4A7C15u);
}

bool Available(const SyncQueue& queue, Time now) {
  return !queue.held && (!queue.blocked || queue.not_before <= now);
}

bool Shares(const SyncQueue& queue) { return !queue.held && !queue.blocked && !queue.apart; }

Finished Replaced(Operation&& older, const Tickets& successor) {
  Finished finished;
  finished.operation = std::move(older);
  finished.operation.body.clear();
  finished.outcome = FinalOutcome::kReplaced;
  finished.successor = successor;
  return finished;
}

/// A delete of a former routing goes after the operation that was made with it, whose version is
/// the next one, and before all that is newer.
std::uint64_t TurnOf(const Operation& operation) {
  return operation.former ? operation.version + 2 : operation.version;
}

}  // namespace

SyncQueue* Lanes::QueueOf(std::int32_t sync) {
  const auto [it, is_new] = queues_.try_emplace(sync);
  if (is_new) {
    it->second.sync = sync;
    it->second.apart = apart_.contains(sync);
  }
  return &it->second;
}

Lane* Lanes::LaneOf(std::int32_t sync, const std::string& id) {
  const std::size_t hash = HashOf(sync, id);
  Lane* found =
      lanes_.Find(hash, [&](const Lane& lane) { return lane.sync == sync && lane.id == id; });
  if (found != nullptr) return found;
  SyncQueue* queue = QueueOf(sync);
  if (free_.empty()) free_.push_back(&pool_.emplace_back());
  Lane* lane = free_.back();
  lane->sync = sync;
  lane->id = id;
  lane->hash = hash;
  lanes_.Insert(hash, lane);
  free_.pop_back();
  lane->queue = queue;
  return lane;
}

void Lanes::Drop(Lane* lane) {
  lanes_.Erase(lane->hash, lane);
  lane->queue = nullptr;
  lane->state = Lane::State::kIdle;
  free_.push_back(lane);
  if (lanes_.size() > 0 || pool_.size() <= kLanesKept) return;
  free_.clear();
  pool_.clear();
}

PendingPtr Lanes::NewPending(Operation&& operation) {
  if (spare_.empty()) spare_.push_back(std::make_unique<Pending>());
  PendingPtr pending = std::move(spare_.back());
  spare_.pop_back();
  pending->encoded = dialect_.EncodedSize(operation);
  pending->footprint = operation.Footprint() + sizeof(Pending) - sizeof(Operation);
  pending->operation = std::move(operation);
  return pending;
}

Operation Lanes::Release(PendingPtr pending) {
  Operation operation = std::move(pending->operation);
  if (spare_.size() < kSpare) {
    *pending = Pending{};
    spare_.push_back(std::move(pending));
  }
  TrimSpare();
  return operation;
}

void Lanes::TrimSpare() {
  if (operations_ == 0 && spare_.size() > kSpareIdle) spare_.resize(kSpareIdle);
}

/// `newer` takes the tickets of `older`, which leaves.
void Lanes::TakeOver(Pending* newer, PendingPtr older, std::vector<Finished>* replaced) {
  const Tickets before = newer->operation.tickets;
  newer->operation.tickets = Settlement::Merge(before, older->operation.tickets);
  replaced->push_back(Replaced(Release(std::move(older)), before));
}

void Lanes::Submit(Operation&& operation, Time now, std::vector<Finished>* replaced) {
  PendingPtr pending = NewPending(std::move(operation));
  Lane* lane = LaneOf(pending->operation.sync, pending->operation.id);
  Enter(lane->queue, pending->footprint);
  Insert(lane, std::move(pending), replaced);
  if (lane->state == Lane::State::kIdle) MakeReady(lane, now, false);
}

void Lanes::Insert(Lane* lane, PendingPtr pending, std::vector<Finished>* replaced) {
  auto& waiting = lane->waiting;
  const auto same = std::find_if(waiting.begin(), waiting.end(), [&](const PendingPtr& other) {
    return other->operation.routing == pending->operation.routing;
  });
  auto before = std::ssize(waiting);
  if (same != waiting.end()) {
    const bool outdated = (*same)->operation.version > pending->operation.version;
    Leave(lane->queue, outdated ? pending->footprint : (*same)->footprint);
    if (outdated) return TakeOver(same->get(), std::move(pending), replaced);
    TakeOver(pending.get(), std::move(*same), replaced);
    before = same - waiting.begin();
    waiting.erase(same);
  }
  const std::uint64_t turn = TurnOf(pending->operation);
  auto place = waiting.end();
  while (place != waiting.begin() && TurnOf((*std::prev(place))->operation) > turn) --place;
  // Former deletes that waited for the one that this replaces go on waiting.
  while (place - waiting.begin() > before && (*std::prev(place))->operation.former) --place;
  waiting.insert(place, std::move(pending));
}

void Lanes::Enter(SyncQueue* queue, std::size_t footprint) {
  ++queue->outstanding;
  queue->bytes += footprint;
  ++operations_;
  bytes_ += footprint;
  if (footprint < kLargeOperation) return;
  queue->large_bytes += footprint;
  ++large_operations_;
  large_bytes_ += footprint;
}

void Lanes::Leave(SyncQueue* queue, std::size_t footprint) {
  --queue->outstanding;
  queue->bytes -= footprint;
  --operations_;
  bytes_ -= footprint;
  if (footprint < kLargeOperation) return;
  queue->large_bytes -= footprint;
  --large_operations_;
  large_bytes_ -= footprint;
}

void Lanes::MakeReady(Lane* lane, Time since, bool front) {
  const Pending& next = *lane->waiting.front();
  std::deque<Lane*>& queue = next.alone ? lane->queue->alone : lane->queue->ready;
  if (front) {
    queue.push_front(lane);
  } else {
    queue.push_back(lane);
  }
  lane->state = Lane::State::kReady;
  lane->since = since;
  lane->counted = next.alone ? 0 : next.encoded;
  lane->queue->ready_bytes += lane->counted;
}

ReadySurvey Lanes::Survey() const {
  ReadySurvey survey;
  for (const auto& [sync, queue] : queues_) {
    if (!Shares(queue)) continue;
    if (!queue.alone.empty()) survey.alone = true;
    if (queue.ready.empty()) continue;
    survey.bytes += queue.ready_bytes;
    survey.operations += queue.ready.size();
    survey.oldest = std::min(survey.oldest, queue.ready.front()->since);
  }
  return survey;
}

std::vector<ReadySurvey> Lanes::SurveyApart() const {
  std::vector<ReadySurvey> surveys;
  for (const auto& [sync, queue] : queues_) {
    if (queue.held || Shares(queue) || (queue.ready.empty() && queue.alone.empty())) continue;
    ReadySurvey& survey = surveys.emplace_back();
    survey.sync = sync;
    survey.alone = !queue.alone.empty();
    survey.from = queue.blocked ? queue.not_before : Time{0};
    if (queue.ready.empty()) continue;
    // A probe waits for no company.
    survey.bytes = queue.ready_bytes;
    survey.operations = queue.blocked ? 1 : queue.ready.size();
    survey.oldest = queue.blocked ? Time{0} : queue.ready.front()->since;
  }
  return surveys;
}

Taken Lanes::TakeFront(Lane* lane) {
  Taken taken{.lane = lane, .pending = std::move(lane->waiting.front())};
  lane->waiting.erase(lane->waiting.begin());
  lane->queue->ready_bytes -= lane->counted;
  lane->counted = 0;
  lane->state = Lane::State::kInFlight;
  return taken;
}

/// Each probe of a blocked sync tries another operation: the first one may be one of those that
/// are refused for good, and the others would wait behind it for ever.
void Lanes::VaryProbe(SyncQueue* queue) {
  const std::uint64_t spread = (++probes_ * 0x9E3779B97F4A7C15u) >> 32;
  std::swap(queue->ready.front(), queue->ready[spread % queue->ready.size()]);
}

void Lanes::TakeFrom(SyncQueue* queue, std::size_t max_bytes, std::size_t max_operations, Time now,
                     std::size_t* bytes, std::vector<Taken>* taken) {
  while (!queue->ready.empty() && taken->size() < max_operations && Available(*queue, now)) {
    if (queue->blocked) VaryProbe(queue);
    Lane* lane = queue->ready.front();
    const std::size_t size = lane->waiting.front()->encoded;
    if (!taken->empty() && *bytes + size > max_bytes) return;
    queue->ready.pop_front();
    taken->push_back(TakeFront(lane));
    *bytes += size;
    if (queue->blocked) queue->not_before = now + queue->probe_delay;
  }
}

SyncQueue* Lanes::NextLarge(Time now) {
  auto it = queues_.upper_bound(large_turn_);
  for (std::size_t i = 0; i < queues_.size(); ++i, ++it) {
    if (it == queues_.end()) it = queues_.begin();
    if (!Shares(it->second) || it->second.ready_bytes <= kLargeShare) continue;
    if (Available(it->second, now)) return &it->second;
  }
  return nullptr;
}

// Requests that several syncs share and those that one fills take turns: neither waits for the
// others to run dry.
std::vector<Taken> Lanes::Take(std::size_t max_bytes, std::size_t max_operations, Time now) {
  std::vector<Taken> taken;
  std::size_t bytes = 0;
  SyncQueue* large = NextLarge(now);
  const auto take_large = [&] {
    TakeFrom(large, max_bytes, max_operations, now, &bytes, &taken);
    large_turn_ = large->sync;
    shared_last_ = false;
  };
  if (large != nullptr && shared_last_) {
    take_large();
    return taken;
  }
  auto it = queues_.upper_bound(turn_);
  for (std::size_t i = 0; i < queues_.size(); ++i, ++it) {
    if (it == queues_.end()) it = queues_.begin();
    if (!Shares(it->second) || it->second.ready_bytes > kLargeShare) continue;
    const bool first = taken.empty();
    TakeFrom(&it->second, std::min(max_bytes, kSharedBytes), max_operations, now, &bytes, &taken);
    if (first && !taken.empty()) turn_ = it->first;
  }
  shared_last_ = !taken.empty();
  if (taken.empty() && large != nullptr) take_large();
  return taken;
}

Taken Lanes::TakeFrontAlone(SyncQueue* queue, Time now) {
  Lane* lane = queue->alone.front();
  queue->alone.pop_front();
  if (queue->blocked) queue->not_before = now + queue->probe_delay;
  return TakeFront(lane);
}

std::vector<Taken> Lanes::TakeAlone(Time now) {
  std::vector<Taken> taken;
  for (auto& [sync, queue] : queues_) {
    if (queue.alone.empty() || !Shares(queue)) continue;
    taken.push_back(TakeFrontAlone(&queue, now));
    break;
  }
  return taken;
}

std::vector<Taken> Lanes::TakeOf(std::int32_t sync, std::size_t max_bytes,
                                 std::size_t max_operations, Time now) {
  std::vector<Taken> taken;
  const auto found = queues_.find(sync);
  if (found == queues_.end() || !Available(found->second, now)) return taken;
  std::size_t bytes = 0;
  if (!found->second.alone.empty())
    taken.push_back(TakeFrontAlone(&found->second, now));
  else
    TakeFrom(&found->second, max_bytes, max_operations, now, &bytes, &taken);
  return taken;
}

Operation Lanes::Finish(Lane* lane, PendingPtr pending, Time now) {
  SyncQueue* queue = lane->queue;
  Leave(queue, pending->footprint);
  lane->state = Lane::State::kIdle;
  if (!lane->waiting.empty()) {
    MakeReady(lane, now, false);
  } else {
    Drop(lane);
    EraseIfEmpty(queue);
  }
  return Release(std::move(pending));
}

void Lanes::Return(Lane* lane, PendingPtr pending, Time due, Time now,
                   std::vector<Finished>* replaced) {
  Insert(lane, std::move(pending), replaced);
  if (due <= now) return MakeReady(lane, Time{0}, true);
  lane->state = Lane::State::kDelayed;
  delayed_.emplace(due, lane);
}

void Lanes::Promote(Time now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    Lane* lane = delayed_.begin()->second;
    delayed_.erase(delayed_.begin());
    MakeReady(lane, Time{0}, true);
  }
}

Time Lanes::NextDue() const { return delayed_.empty() ? kNever : delayed_.begin()->first; }

void Lanes::ResetBackoff(Time now) {
  Promote(kNever);
  for (auto& [sync, queue] : queues_) queue.not_before = std::min(queue.not_before, now);
}

void Lanes::Hold(std::int32_t sync, bool hold) {
  SyncQueue* queue = QueueOf(sync);
  queue->held = hold;
  EraseIfEmpty(queue);
}

bool Lanes::Held(std::int32_t sync) const {
  const auto it = queues_.find(sync);
  return it != queues_.end() && it->second.held;
}

void Lanes::SetApart(std::int32_t sync, bool apart) {
  apart ? (void)apart_.insert(sync) : (void)apart_.erase(sync);
  const auto it = queues_.find(sync);
  if (it != queues_.end()) it->second.apart = apart;
}

bool Lanes::Blocked(std::int32_t sync) const {
  const auto it = queues_.find(sync);
  return it != queues_.end() && it->second.blocked;
}

bool Lanes::Apart(std::int32_t sync) const { return apart_.contains(sync) || Blocked(sync); }

void Lanes::Block(std::int32_t sync, Time delay, Time now) {
  SyncQueue* queue = QueueOf(sync);
  queue->blocked = true;
  ++queue->blocks;
  queue->probe_delay = delay;
  queue->not_before = now + delay;
}

void Lanes::Probe(std::int32_t sync, Time now) {
  SyncQueue* queue = QueueOf(sync);
  if (queue->blocked) return;
  Block(sync, kProbePatience, now);
  queue->not_before = now;
}

void Lanes::Unblock(std::int32_t sync) {
  const auto it = queues_.find(sync);
  if (it == queues_.end() || !it->second.blocked) return;
  it->second.blocked = false;
  it->second.blocks = 0;
}

std::uint32_t Lanes::Blocks(std::int32_t sync) const {
  const auto it = queues_.find(sync);
  return it == queues_.end() ? 0 : it->second.blocks;
}

void Lanes::EraseIfEmpty(SyncQueue* queue) {
  if (queue->outstanding == 0 && !queue->held) queues_.erase(queue->sync);
}

void Lanes::DropEmptyLanes(SyncQueue* queue) {
  const auto empty = [](const Lane* lane) { return lane->waiting.empty(); };
  for (const Lane* lane : queue->ready)
    if (empty(lane)) queue->ready_bytes -= lane->counted;
  std::erase_if(queue->ready, empty);
  std::erase_if(queue->alone, empty);
  std::erase_if(delayed_, [&](const auto& entry) { return empty(entry.second); });
  std::vector<Lane*> gone;
  for (Lane& lane : pool_)
    if (lane.queue == queue && empty(&lane) && lane.state != Lane::State::kInFlight)
      gone.push_back(&lane);
  for (Lane* lane : gone) Drop(lane);
}

std::vector<Operation> Lanes::Withdraw(std::int32_t sync, std::uint64_t below) {
  std::vector<Operation> out;
  const auto found = queues_.find(sync);
  if (found == queues_.end()) return out;
  for (Lane& lane : pool_) {
    if (lane.queue != &found->second) continue;
    std::erase_if(lane.waiting, [&, queue = lane.queue](PendingPtr& pending) {
      if (pending->operation.version >= below) return false;
      Leave(queue, pending->footprint);
      out.push_back(std::move(pending->operation));
      return true;
    });
  }
  DropEmptyLanes(&found->second);
  EraseIfEmpty(&found->second);
  TrimSpare();
  return out;
}

std::uint64_t Lanes::Outstanding(std::int32_t sync) const {
  const auto it = queues_.find(sync);
  return it == queues_.end() ? 0 : it->second.outstanding;
}

std::uint64_t Lanes::OutstandingBytes(std::int32_t sync) const {
  const auto it = queues_.find(sync);
  return it == queues_.end() ? 0 : it->second.bytes;
}

std::uint64_t Lanes::LargeBytes(std::int32_t sync) const {
  const auto it = queues_.find(sync);
  return it == queues_.end() ? 0 : it->second.large_bytes;
}

}  // namespace polyglot::core
