#pragma once
// Finds entries that live elsewhere by their hash: open addressing, so nothing is allocated for an
// entry. The caller keeps the entries where they are while they are in the index.

#include <cstddef>
#include <vector>

namespace polyglot::core {

template <typename T>
class HashIndex {
 public:
  /// The entry with this hash that `equal(const T&)` takes; nullptr: none.
  template <typename Equal>
  T* Find(std::size_t hash, Equal&& equal) const {
    if (slots_.empty()) return nullptr;
    for (std::size_t at = hash & Mask(); slots_[at].entry != nullptr; at = (at + 1) & Mask())
      if (slots_[at].hash == hash && equal(*slots_[at].entry)) return slots_[at].entry;
    return nullptr;
  }

  /// Not in it yet. Throws bad_alloc and has changed nothing then.
  void Insert(std::size_t hash, T* entry) {
    if (2 * (size_ + 1) > slots_.size()) Grow();
    Place(&slots_, hash, entry);
    ++size_;
  }

  /// It is in it.
  void Erase(std::size_t hash, const T* entry) {
    std::size_t hole = hash & Mask();
    while (slots_[hole].entry != entry) hole = (hole + 1) & Mask();
    // What was pushed on by others moves up, so that no search ends at the hole.
    for (std::size_t at = (hole + 1) & Mask(); slots_[at].entry != nullptr;
         at = (at + 1) & Mask()) {
      const std::size_t home = slots_[at].hash & Mask();
      if (((at - home) & Mask()) < ((at - hole) & Mask())) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = Slot{};
    if (--size_ == 0 && slots_.size() > kKept) slots_ = {};  // a burst is over
  }

  std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::size_t hash = 0;
    T* entry = nullptr;
  };
  using Slots = std::vector<Slot>;
  static constexpr std::size_t kFirst = 16, kKept = 4096;

  std::size_t Mask() const { return slots_.size() - 1; }
  static void Place(Slots* slots, std::size_t hash, T* entry) {
    const std::size_t mask = slots->size() - 1;
    std::size_t at = hash & mask;
    while ((*slots)[at].entry != nullptr) at = (at + 1) & mask;
    (*slots)[at] = {hash, entry};
  }
  void Grow() {
    Slots larger(slots_.empty() ? kFirst : 2 * slots_.size());
    for (const Slot& slot : slots_)
      if (slot.entry != nullptr) Place(&larger, slot.hash, slot.entry);
    slots_.swap(larger);
  }

  Slots slots_;  // as many as a power of two, at most half of them taken
  std::size_t size_ = 0;
};

}  // namespace polyglot::core
