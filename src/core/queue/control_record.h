#pragma once
// The worker's own row in its queue: each sync's acknowledged snapshot and counters. The newest one
// is read at start; it is inserted, never updated, and goes with TRUNCATE like any other queue row.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/queue/snapshot.h"

namespace polyglot::core {

struct SavedCounters {
  std::uint64_t delivered = 0, deleted = 0, stale = 0, retried = 0, dead_letters = 0;
  std::int64_t since = 0;  // microseconds, PostgreSQL's epoch
  bool operator==(const SavedCounters&) const = default;
};

struct SyncPosition {
  Snapshot snapshot;
  SavedCounters counters;
  bool operator==(const SyncPosition&) const = default;
};

struct ControlRecord {
  std::uint64_t sequence = 0;  // the highest complete one counts
  std::map<std::int32_t, SyncPosition> positions;
};

/// Queue row data (core/queue/queue_record.h: one group of source 0 with one kControl record), as
/// many rows as are needed for at most `max_row` bytes each.
std::vector<std::string> EncodeControl(const ControlRecord& control, std::size_t max_row);

/// Collects the rows of both tables in any order and gives the newest complete record.
class ControlAssembler {
 public:
  /// `values` of a kControl record. Damaged or foreign bytes are ignored.
  void Add(std::string_view values);
  /// false: there was no complete record.
  bool Newest(ControlRecord* out) const;

 private:
  std::map<std::uint64_t, std::map<std::uint16_t, std::string>> parts_;
  std::map<std::uint64_t, std::uint16_t> totals_;
};

}  // namespace polyglot::core
