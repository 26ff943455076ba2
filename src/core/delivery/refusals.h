#pragma once
// When a sync's index refuses documents for good: each is a dead letter, until so many are refused
// alike that the index or its mapping must be at fault. Then the sync is condemned: its operations
// stay, one is tried now and then, and the same judgement goes on until the share has fallen.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace polyglot::core {

class Refusals {
 public:
  static constexpr std::size_t kWindow = 1000;         // last items of a sync that count
  static constexpr std::size_t kAlike = 500;           // of these refused alike condemn it
  static constexpr std::uint32_t kFieldLimitRun = 20;  // "Limit of total fields" in a row, too

  /// An item of the sync was taken, or refused as stale.
  void Accepted(std::int32_t sync);
  /// An item was refused for good; `error` is normalised. Returns why the sync is condemned, or
  /// nullopt: a dead letter.
  std::optional<std::string> Refused(std::int32_t sync, const std::string& error, bool field_limit);
  bool Condemned(std::int32_t sync) const;
  void Forget(std::int32_t sync);

  /// Syncs that hold memory: those with a refusal among their last items.
  std::size_t size() const { return windows_.size(); }

 private:
  // One 4-byte mark for each item: 0 accepted, else a hash of the error.
  struct Window {
    std::vector<std::uint32_t> marks = std::vector<std::uint32_t>(kWindow);
    std::size_t next = 0;
    std::size_t refused = 0;  // marks that are not 0
    std::uint32_t field_limit_run = 0;
    bool condemned = false;
    std::uint32_t condemned_for = 0;
    void Push(std::uint32_t mark);
    std::size_t Alike(std::uint32_t mark) const;
  };
  std::map<std::int32_t, Window> windows_;
};

}  // namespace polyglot::core
