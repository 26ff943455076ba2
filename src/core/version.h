#pragma once
// Versions of documents: version = epoch × 2^52 + position (ownership/epoch.h). Positions are bytes
// of WAL, strictly increasing within an epoch.

#include <cstdint>

namespace polyglot::core {

inline constexpr int kPositionBits = 52;
inline constexpr std::uint64_t kPositionMask = (std::uint64_t{1} << kPositionBits) - 1;

constexpr std::uint64_t MakeVersion(std::uint64_t epoch, std::uint64_t position) {
  return epoch << kPositionBits | position;
}
constexpr std::uint64_t EpochOf(std::uint64_t version) { return version >> kPositionBits; }
constexpr std::uint64_t PositionOf(std::uint64_t version) { return version & kPositionMask; }

}  // namespace polyglot::core
