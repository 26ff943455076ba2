#pragma once
// Which documents a table makes, as hashes of (id, routing), in bounded memory: with more of them
// than fit, only those with the lowest hashes are known, and the others are left for another round.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

namespace polyglot::core {

class KnownIds {
 public:
  explicit KnownIds(std::size_t capacity) : capacity_(capacity) {}

  static std::uint64_t Hash(std::string_view id, std::optional<std::string_view> routing);

  /// Forgets all. The new round covers hashes from `from` on.
  void Begin(std::uint64_t from);
  void Add(std::uint64_t hash);
  /// After the last Add, before Contains.
  void Seal();

  /// Would this round know it?
  bool Covers(std::uint64_t hash) const { return hash >= from_ && hash <= to_; }
  bool Contains(std::uint64_t hash) const;
  /// Highest hash that this round covers.
  std::uint64_t to() const { return to_; }
  bool complete() const { return to_ == std::numeric_limits<std::uint64_t>::max(); }

 private:
  std::size_t capacity_;
  std::uint64_t from_ = 0, to_ = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t> hashes_;
};

}  // namespace polyglot::core
