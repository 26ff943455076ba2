#include "pg/worker/pending_keys.h"

#include <algorithm>
#include <utility>

namespace polyglot::pg {
namespace {

std::size_t Footprint(const PendingKey& key) {
  return sizeof key + 2 * key.id.size() + key.key.size() +
         (key.routing ? 2 * key.routing->size() : 0);
}

}  // namespace

std::string PendingKeys::Identity(const PendingKey& key) {
  std::string identity = key.id;
  if (key.routing) identity.append(1, '\0').append(*key.routing);
  return identity;
}

void PendingKeys::Merge(PendingKey* into, const PendingKey& key, std::int32_t sync,
                        core::Settlement* settlement) {
  core::Tickets merged = key.tickets;
  settlement->Replace(sync, &merged, into->tickets);
  into->tickets = merged;
  into->captured_at = std::min(into->captured_at, key.captured_at);
}

void PendingKeys::Add(std::int32_t sync, PendingKey key, core::Settlement* settlement) {
  settlement->Add(sync, key.tickets);
  auto it = by_identity_.find(Identity(key));
  if (it != by_identity_.end()) {
    Merge(&*it->second, key, sync, settlement);
    return;
  }
  bytes_ += Footprint(key);
  keys_.push_back(std::move(key));
  by_identity_.emplace(Identity(keys_.back()), std::prev(keys_.end()));
}

void PendingKeys::PutBack(PendingKey key, std::int32_t sync, core::Settlement* settlement) {
  auto it = by_identity_.find(Identity(key));
  if (it != by_identity_.end()) {
    Merge(&*it->second, key, sync, settlement);
    return;
  }
  bytes_ += Footprint(key);
  keys_.push_front(std::move(key));
  by_identity_.emplace(Identity(keys_.front()), keys_.begin());
}

std::list<PendingKey> PendingKeys::Take(std::size_t max) {
  std::list<PendingKey> taken;
  auto end = keys_.begin();
  for (std::size_t i = 0; i < max && end != keys_.end(); ++i, ++end) {
    by_identity_.erase(Identity(*end));
    bytes_ -= Footprint(*end);
  }
  taken.splice(taken.begin(), keys_, keys_.begin(), end);
  return taken;
}

}  // namespace polyglot::pg
