#pragma once
// Keys of one sync that wait to be read again: one entry for each (document id, routing), in the
// order of their first event.

#include <cstdint>
#include <list>
#include <optional>
#include <string>

#include "core/hash_index.h"
#include "core/queue/settlement.h"

namespace polyglot::core {

struct PendingKey {
  std::string key;  // packed (core/queue/queue_record.h)
  std::string id;   // document id that this key forms
  std::optional<std::string> routing;
  Tickets tickets;
  std::int64_t captured_at = 0;  // TimestampTz of the oldest event that it stands for
  std::size_t hash = 0;          // of id and routing, while it waits
};

class PendingKeys {
 public:
  /// Takes the key in and counts its tickets. An equal (id, routing) that already waits takes them
  /// over. What is left of `key` is memory to be filled again.
  void Add(std::int32_t sync, PendingKey&& key, Settlement* settlement);
  /// Puts back what Take gave and could not be read yet; tickets are still counted.
  void PutBack(PendingKey key, std::int32_t sync, Settlement* settlement);
  /// Removes and returns up to `max` keys, oldest first. Their tickets stay counted.
  std::list<PendingKey> Take(std::size_t max);
  /// What Take gave and nobody needs any more: memory for the keys that come next. Only so much of
  /// it is kept, and no long keys.
  void Recycle(std::list<PendingKey>&& keys);
  /// Nothing is to be done for a while: gives that memory back.
  void Trim() { spare_.clear(); }

  std::size_t size() const { return keys_.size(); }
  bool empty() const { return keys_.empty(); }
  std::size_t bytes() const { return bytes_; }

 private:
  /// Lets an equal one that waits take it over. false: there is none.
  bool Join(const PendingKey& key, std::int32_t sync, Settlement* settlement);
  void Insert(std::list<PendingKey>::const_iterator before, PendingKey&& key);

  std::list<PendingKey> keys_;
  std::list<PendingKey> spare_;
  HashIndex<PendingKey> index_;
  std::size_t bytes_ = 0;
};

}  // namespace polyglot::core
