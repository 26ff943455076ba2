#include "core/epoch.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

namespace polyglot::core {
namespace {

// What cannot be read counts as not recorded.
template <typename Number>
Number Read(const MetaPairs& meta, std::string_view name) {
  Number number = 0;
  for (const auto& [key, value] : meta)
    if (key == name) {
      const char* end = value.data() + value.size();
      const auto read = std::from_chars(value.data(), end, number);
      return read.ec == std::errc() && read.ptr == end ? number : 0;
    }
  return 0;
}

// Has somebody else written this? Ours is stored in our table before it is written to the index.
bool IsAnothers(const EpochQuestion& q) {
  const VersionRecord& index = *q.index;
  return index.epoch > q.now.epoch || index.bound > q.now.bound ||
         (index.timeline != 0 && index.timeline != q.now.timeline);
}

// Our WAL ends before what we have written ahead.
bool IsBehind(const EpochQuestion& q) { return q.flushed + kBoundStep < q.now.bound; }

EpochJudgement Raise(const EpochQuestion& q) {
  const std::uint64_t known = std::max(q.now.epoch, q.lease_epoch);
  const std::uint64_t epoch = std::max(known, q.index ? q.index->epoch : 0) + 1;
  const bool newer = q.index && (q.index->epoch > q.now.epoch || q.index->bound > q.now.bound);
  if (epoch > kEpochLimit) return {EpochVerdict::kExhausted};
  return {EpochVerdict::kRaise, epoch, newer || q.adopt || IsBehind(q) || !q.lease_vouches};
}

}  // namespace

MetaPairs MetaOf(const VersionRecord& record) {
  return {{"system_identifier", std::to_string(record.system_identifier)},
          {"database", std::to_string(record.database)},
          {"sync", std::to_string(record.sync)},
          {"instance", std::to_string(record.instance)},
          {"epoch", std::to_string(record.epoch)},
          {"timeline", std::to_string(record.timeline)},
          {"version_bound", std::to_string(record.bound)}};
}

std::optional<VersionRecord> RecordOf(const MetaPairs& meta) {
  VersionRecord record;
  record.system_identifier = Read<std::uint64_t>(meta, "system_identifier");
  if (record.system_identifier == 0) return std::nullopt;
  record.database = Read<std::uint32_t>(meta, "database");
  record.sync = Read<std::int32_t>(meta, "sync");
  record.instance = Read<std::int32_t>(meta, "instance");
  record.timeline = Read<std::uint32_t>(meta, "timeline");
  record.epoch = Read<std::uint64_t>(meta, "epoch");
  record.bound = Read<std::uint64_t>(meta, "version_bound");
  return record;
}

bool SameDatabase(const VersionRecord& one, const VersionRecord& other) {
  return one.system_identifier == other.system_identifier && one.database == other.database;
}

EpochJudgement JudgeEpoch(const EpochQuestion& q) {
  const bool same = !q.index || (SameDatabase(*q.index, q.now) && q.index->sync == q.now.sync);
  if (!same && !q.adopt) return {EpochVerdict::kForeign};
  const bool anothers = q.index && IsAnothers(q);
  if (!q.first && anothers) return {EpochVerdict::kContested};
  const bool moved = q.stored_timeline != q.now.timeline || IsBehind(q);
  if (anothers || moved || q.lease_raises || !same) return Raise(q);
  if (!q.index) return {EpochVerdict::kRewrite};
  if (q.index->epoch < q.now.epoch || q.index->bound < q.acknowledged)
    return {EpochVerdict::kIndexOlder};
  return {EpochVerdict::kGoOn};
}

}  // namespace polyglot::core
