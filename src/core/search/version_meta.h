#pragma once
// The record of the last writer (ownership/epoch.h) in an index's `_meta`.

#include <optional>

#include "core/ownership/epoch.h"
#include "core/search/index_definition.h"

namespace polyglot::core {

MetaPairs MetaOf(const VersionRecord& record);
/// nullopt: no writer is named.
std::optional<VersionRecord> RecordOf(const MetaPairs& meta);

}  // namespace polyglot::core
