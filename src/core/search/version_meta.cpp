#include "core/search/version_meta.h"

#include <charconv>
#include <string>
#include <string_view>

#include "core/ownership/epoch.h"

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

}  // namespace polyglot::core
