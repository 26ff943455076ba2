#pragma once
// Rows that were read again, and what came of each.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pg/guard.h"

namespace polyglot::pg {

/// One row, as ranges of RowBatch::bytes.
struct ReadRow {
  std::size_t id_offset, routing_offset, body_offset;
  std::size_t key_offset;  // packed key values (core/queue/queue_record.h)
  std::uint32_t id_length, routing_length, key_length;
  std::size_t body_length;
  bool has_routing;
  bool passes;  // the filter's answer; false: there is no body
};

/// A row that could not be read or encoded: a dead letter of that row.
struct ReadFailure {
  std::string id;
  std::string key;  // packed
  PgError error;
};

struct RowBatch {
  std::string bytes;
  std::vector<ReadRow> rows;
  std::vector<ReadFailure> failures;
  std::size_t received = 0;  // rows that came, those that failed on their own included
  bool last_failed = false;  // the last of them is the last of `failures`, not of `rows`
  bool truncated = false;    // stopped at max_bytes: rows not in here may exist
  // ReadPage:
  std::string last_key;      // of the last row, packed; empty: no row
  bool end_reached = false;  // fewer rows than asked for
  bool restarted = false;    // `after` was of other types than the key has now: these are the first

  std::string_view Id(const ReadRow& r) const { return {bytes.data() + r.id_offset, r.id_length}; }
  std::string_view Routing(const ReadRow& r) const {
    return {bytes.data() + r.routing_offset, r.routing_length};
  }
  std::string_view Key(const ReadRow& r) const {
    return {bytes.data() + r.key_offset, r.key_length};
  }
  std::string_view Body(const ReadRow& r) const {
    return {bytes.data() + r.body_offset, r.body_length};
  }
  void Clear();

  struct Mark {
    std::size_t bytes, rows, failures;
  };
  Mark End() const { return {bytes.size(), rows.size(), failures.size()}; }
  /// Takes off what was appended since.
  void CutAt(const Mark& mark);
};

enum class ReadStatus {
  kOk,
  kSyncFailed,
  kLocked,  // after TryLockRows only: nothing was read, somebody holds a lock that it needs
};

}  // namespace polyglot::pg
