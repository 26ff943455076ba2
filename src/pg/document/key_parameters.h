#pragma once
// Parameters of the statements that read rows by their keys: arrays of keys, or the range that they
// lie in.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "pg/document/read_plan.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// One array for each key column, in the order of the index, of `count` keys with key_count values
/// each. palloc'd; may ereport.
void KeyArrays(const ReadPlan& plan, const std::string_view* key_values, std::size_t count,
               Datum* parameters);

/// Keys of one integer column that lie close together, as those of rows that were inserted or
/// changed together mostly do. To read the range that they lie in costs a fifth of looking each up.
class KeyRange {
 public:
  /// false: there are too few of them, or too many others may lie between them. Throws bad_alloc.
  bool Cover(const ReadPlan& plan, const std::string_view* key_values, std::size_t count);
  /// The first and the last of them.
  void Parameters(const ReadPlan& plan, Datum* parameters) const;
  /// Is this key of the range one of them?
  bool Wants(const KeyColumn& key, Datum value) const {
    const auto at = static_cast<std::uint64_t>(Number(key, value) - first_);
    return at < wanted_.size() && wanted_[at];
  }

 private:
  static std::int64_t Number(const KeyColumn& key, Datum value);

  std::int64_t first_ = 0, last_ = 0;
  std::vector<bool> wanted_;  // from the first to the last
};

}  // namespace polyglot::pg
