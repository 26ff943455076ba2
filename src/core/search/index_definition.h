#pragma once
// What an index is made from: mapping and settings as a user gives them, and our record in `_meta`.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"

namespace polyglot::core {

/// What we write about ourselves into an index: `mappings._meta.polyglot_sync`.
using MetaPairs = std::vector<std::pair<std::string, std::string>>;

/// Is this what stands below "mappings", or "settings", of an index? Only shapes that no search
/// server takes are wrong; parameters that nobody here knows may be known there.
std::optional<Error> CheckMappingShape(std::string_view mapping);
std::optional<Error> CheckSettingsShape(std::string_view settings);

/// Body of `PUT /<index>`. `mapping`: the JSON object that becomes "mappings"; `settings`: the
/// user's JSON object or "". User settings win over the defaults (index.gc_deletes 1h, and for a
/// mapping of many fields index.mapping.total_fields.limit), in whichever spelling they come.
/// Other keys of the mapping's own `_meta` stay.
Result<std::string> CreateIndexBody(std::string_view mapping, std::string_view settings,
                                    const MetaPairs& meta);

/// Body of `PUT /<index>/_mapping` that writes the pairs anew. `_meta` is replaced as a whole by
/// the server: `mapping` is the one the index was created from, or "".
Result<std::string> MetaBody(std::string_view mapping, const MetaPairs& meta);

}  // namespace polyglot::core
