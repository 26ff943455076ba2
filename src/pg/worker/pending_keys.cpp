#include "pg/worker/pending_keys.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace polyglot::pg {
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

bool PendingKeys::Join(const PendingKey& key, std::int32_t sync, core::Settlement* settlement) {
  PendingKey* into = index_.Find(key.hash, [&key](const PendingKey& other) {
    return other.id == key.id && other.routing == key.routing;
  });
  if (into == nullptr) return false;
  core::Tickets merged = key.tickets;
  settlement->Replace(sync, &merged, into->tickets);
  into->tickets = merged;
  into->captured_at = std::min(into->captured_at, key.captured_at);
  return true;
}

void PendingKeys::Insert(std::list<PendingKey>::const_iterator before, PendingKey key) {
  const std::size_t footprint = Footprint(key);
  const auto at = keys_.insert(before, std::move(key));
  index_.Insert(at->hash, &*at);
  bytes_ += footprint;
}

void PendingKeys::Add(std::int32_t sync, PendingKey key, core::Settlement* settlement) {
  settlement->Add(sync, key.tickets);
  key.hash = HashOf(key);
  if (!Join(key, sync, settlement)) Insert(keys_.end(), std::move(key));
}

void PendingKeys::PutBack(PendingKey key, std::int32_t sync, core::Settlement* settlement) {
  key.hash = HashOf(key);
  if (!Join(key, sync, settlement)) Insert(keys_.begin(), std::move(key));
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

}  // namespace polyglot::pg
