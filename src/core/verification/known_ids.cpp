#include "core/verification/known_ids.h"

#include <algorithm>
#include <functional>

namespace polyglot::core {

std::uint64_t KnownIds::Hash(std::string_view id, std::optional<std::string_view> routing) {
  static_assert(sizeof(std::size_t) == sizeof(std::uint64_t));
  const std::uint64_t hash = std::hash<std::string_view>{}(id);
  if (!routing) return hash;
  return (hash ^ (std::hash<std::string_view>{}(*routing) >> 1)) * 0x9E3779B97F4A7C15u;
}

void KnownIds::Begin(std::uint64_t from) {
  from_ = from;
  to_ = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t>().swap(hashes_);
}

void KnownIds::Add(std::uint64_t hash) {
  if (!Covers(hash)) return;
  hashes_.push_back(hash);
  if (hashes_.size() <= capacity_) return;
  const auto middle = hashes_.begin() + static_cast<std::ptrdiff_t>(hashes_.size() / 2);
  std::nth_element(hashes_.begin(), middle, hashes_.end());
  to_ = *middle;
  hashes_.erase(std::partition(hashes_.begin(), hashes_.end(),
                               [this](std::uint64_t known) { return known <= to_; }),
                hashes_.end());
}

void KnownIds::Seal() { std::sort(hashes_.begin(), hashes_.end()); }

bool KnownIds::Contains(std::uint64_t hash) const {
  return std::binary_search(hashes_.begin(), hashes_.end(), hash);
}

}  // namespace polyglot::core
