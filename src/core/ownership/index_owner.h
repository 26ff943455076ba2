#pragma once
// Whose an index is. One that a sync has made says so itself (`_meta`, epoch.h). One that was there
// before has a document in kLeaseIndex, named after its UUID: whatever name or alias somebody calls
// it by, he finds the same one.

#include <optional>
#include <string>
#include <string_view>

#include "core/ownership/epoch.h"
#include "core/ownership/lease.h"

namespace polyglot::core {

/// Name of the document; no alias can be like it.
std::string OwnerName(std::string_view uuid);
/// What stands in it, and who is named by it.
LeaseRecord OwnerDocument(const VersionRecord& owner);
VersionRecord OwnerIn(const LeaseRecord& document);

/// Is this one of our own indexes, which belong to no sync?
bool IsLeaseIndex(std::string_view index);
/// 7 for "shop-000007" and the alias "shop"; nullopt: it is no generation's name.
std::optional<int> GenerationOf(std::string_view alias, std::string_view index);

}  // namespace polyglot::core
