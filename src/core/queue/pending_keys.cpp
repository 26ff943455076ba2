#include "core/queue/pending_keys.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace polyglot::core {
namespace {

std::size_t Footprint(const PendingKey& key) {
  return sizeof key + 2 * key.id.size() + key.key.size() +
         (key.routing ? 2 * key.routing->size() : 0);
}

std::size_t HashOf(const PendingKey& key) {
  const std::hash<std::string_view> hash;
  return key.routing ? hash(key.id) * 31 + hash(*key.routing) : hash(key.id);
}

}  // namespace

bool PendingKeys::Join(const PendingKey& key, std::int32_t sync, Settlement* settlement) {
  PendingKey* into = index_.Find(key.hash, [&key](const PendingKey& other) {
    return other.id == key.id && other.routing == key.routing;
  });
  if (into == nullptr) return false;
  Tickets merged = key.tickets;
  settlement->Replace(sync, &merged, into->tickets);
  into->tickets = merged;
  into->captured_at = std::min(into->captured_at, key.captured_at);
  return true;
}

void PendingKeys::Insert(std::list<PendingKey>::const_iterator before, PendingKey&& key) {
  const std::size_t footprint = Footprint(key);
  if (spare_.empty()) spare_.emplace_back();
  const auto at = spare_.begin();
  *at = std::move(key);
  keys_.splice(before, spare_, at);
  index_.Insert(at->hash, &*at);
  bytes_ += footprint;
}

void PendingKeys::Add(std::int32_t sync, PendingKey&& key, Settlement* settlement) {
  settlement->Add(sync, key.tickets);
  key.hash = HashOf(key);
  if (!Join(key, sync, settlement)) Insert(keys_.end(), std::move(key));
}

void PendingKeys::PutBack(PendingKey key, std::int32_t sync, Settlement* settlement) {
  key.hash = HashOf(key);
  if (!Join(key, sync, settlement)) Insert(keys_.begin(), std::move(key));
}

void PendingKeys::Recycle(std::list<PendingKey>&& keys) {
  constexpr std::size_t kSpare = 1000, kBytesOfOne = 512;
  if (spare_.size() >= kSpare) return;
  keys.remove_if([](const PendingKey& key) {
    return key.key.capacity() + key.id.capacity() + (key.routing ? key.routing->capacity() : 0) >
           kBytesOfOne;
  });
  spare_.splice(spare_.begin(), keys);
}

std::list<PendingKey> PendingKeys::Take(std::size_t max) {
  std::list<PendingKey> taken;
  auto end = keys_.begin();
  for (std::size_t i = 0; i < max && end != keys_.end(); ++i, ++end) {
    index_.Erase(end->hash, &*end);
    bytes_ -= Footprint(*end);
  }
  taken.splice(taken.begin(), keys_, keys_.begin(), end);
  return taken;
}

}  // namespace polyglot::core
