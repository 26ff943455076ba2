#include "core/queue/settlement.h"

#include <algorithm>

namespace polyglot::core {
namespace {

using Counts = std::map<std::uint64_t, std::uint64_t>;

void Increment(Counts& counts, std::uint64_t number) {
  if (number != 0) ++counts[number];
}

void Decrement(Counts& counts, std::uint64_t number) {
  auto it = number == 0 ? counts.end() : counts.find(number);
  if (it != counts.end() && --it->second == 0) counts.erase(it);
}

std::uint64_t Settled(const Counts& counts, std::uint64_t newest) {
  return counts.empty() ? newest : std::min(newest, counts.begin()->first - 1);
}

std::uint64_t Lowest(std::uint64_t a, std::uint64_t b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

}  // namespace

void Settlement::Add(std::int32_t sync, const Tickets& tickets) {
  PerSync& s = syncs_[sync];
  Increment(s.scan, tickets.scan);
  Increment(s.page, tickets.page);
  Increment(s.walk, tickets.walk);
  Increment(s.probe, tickets.probe);
  if (tickets.scan != 0) ++s.events;
}

void Settlement::Release(std::int32_t sync, const Tickets& tickets) {
  auto it = syncs_.find(sync);
  if (it == syncs_.end()) return;
  PerSync& s = it->second;
  Decrement(s.scan, tickets.scan);
  Decrement(s.page, tickets.page);
  Decrement(s.walk, tickets.walk);
  Decrement(s.probe, tickets.probe);
  if (tickets.scan != 0 && s.events > 0) --s.events;
}

Tickets Settlement::Merge(const Tickets& newer, const Tickets& older) {
  return {.scan = Lowest(newer.scan, older.scan),
          .page = Lowest(newer.page, older.page),
          .walk = Lowest(newer.walk, older.walk),
          .probe = Lowest(newer.probe, older.probe)};
}

void Settlement::Replace(std::int32_t sync, Tickets* newer, const Tickets& older) {
  const Tickets merged = Merge(*newer, older);
  Add(sync, merged);
  Release(sync, *newer);
  Release(sync, older);
  *newer = merged;
}

#define SETTLED(NAME, FIELD)                                                      \
  std::uint64_t Settlement::NAME(std::int32_t sync, std::uint64_t newest) const { \
    auto it = syncs_.find(sync);                                                  \
    return it == syncs_.end() ? newest : Settled(it->second.FIELD, newest);       \
  }
SETTLED(SettledScan, scan)
SETTLED(SettledPage, page)
SETTLED(SettledWalk, walk)
SETTLED(SettledProbe, probe)
#undef SETTLED

std::uint64_t Settlement::LowestScan() const {
  std::uint64_t lowest = 0;
  for (const auto& [sync, s] : syncs_)
    if (!s.scan.empty()) lowest = Lowest(lowest, s.scan.begin()->first);
  return lowest;
}

std::vector<std::uint64_t> Settlement::OutstandingScans() const {
  std::vector<std::uint64_t> numbers;
  for (const auto& [sync, s] : syncs_)
    for (const auto& [number, count] : s.scan) numbers.push_back(number);
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

bool Settlement::ScanOutstanding(std::int32_t sync, std::uint64_t number) const {
  auto it = syncs_.find(sync);
  return it != syncs_.end() && it->second.scan.count(number) != 0;
}

std::uint64_t Settlement::OutstandingEvents(std::int32_t sync) const {
  auto it = syncs_.find(sync);
  return it == syncs_.end() ? 0 : it->second.events;
}

void Settlement::Forget(std::int32_t sync) { syncs_.erase(sync); }

}  // namespace polyglot::core
