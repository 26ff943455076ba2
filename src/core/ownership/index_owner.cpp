#include "core/ownership/index_owner.h"

#include <charconv>

namespace polyglot::core {

std::string OwnerName(std::string_view uuid) { return "index:" + std::string(uuid); }

LeaseRecord OwnerDocument(const VersionRecord& owner) {
  LeaseRecord document;
  document.system_identifier = owner.system_identifier;
  document.database = owner.database;
  document.sync = owner.sync;
  document.incarnation = std::to_string(owner.instance);
  return document;
}

VersionRecord OwnerIn(const LeaseRecord& document) {
  VersionRecord owner;
  owner.system_identifier = document.system_identifier;
  owner.database = document.database;
  owner.sync = document.sync;
  const std::string& text = document.incarnation;
  std::from_chars(text.data(), text.data() + text.size(), owner.instance);
  return owner;
}

bool IsLeaseIndex(std::string_view index) { return index.starts_with(kLeaseIndex); }

std::optional<int> GenerationOf(std::string_view alias, std::string_view index) {
  constexpr std::size_t kDigits = 6;
  if (!index.starts_with(alias)) return std::nullopt;
  index.remove_prefix(alias.size());
  if (index.size() < 1 + kDigits || index[0] != '-') return std::nullopt;
  index.remove_prefix(1);
  int number = 0;
  const auto read = std::from_chars(index.data(), index.data() + index.size(), number);
  if (read.ec != std::errc() || read.ptr != index.data() + index.size() || number < 1)
    return std::nullopt;
  return number;
}

}  // namespace polyglot::core
