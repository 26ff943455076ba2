#pragma once
// Walks over all documents of an index, as it was when the walk began: bodies and answers of
// point-in-time searches. Text in, text out; whatever a server sends may be anything.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/search/server_info.h"

namespace polyglot::core {

/// What a walk is ordered by. It must be unique over all shards, or pages lose hits at their seams.
enum class WalkOrder : std::uint8_t {
  kShardDoc,  // Elasticsearch; OpenSearch from 3.3 on
  kIdDoc,     // older OpenSearch (Elasticsearch refuses to sort by _id)
};
WalkOrder WalkOrderFor(Product product, std::string_view version);

/// Path of the POST (empty body) that opens one. `index` is percent-encoded, `keep_alive` e.g.
/// "2m".
std::string OpenPitPath(Product product, std::string_view index, std::string_view keep_alive);
Result<std::string> ParsePitId(std::string_view body);
/// Path and body of the DELETE that closes it.
std::string ClosePitPath(Product product);
std::string ClosePitBody(Product product, std::string_view pit_id);

/// POST the body here: an answer that lacks a shard is an error, not a shorter page.
inline constexpr std::string_view kPitSearchPath = "/_search?allow_partial_search_results=false";
/// `search_after` is WalkPage::search_after of the page before, "" for the first.
std::string PitSearchBody(std::string_view pit_id, std::string_view keep_alive, std::size_t size,
                          WalkOrder order, std::string_view search_after);

struct Hit {
  std::string id;
  std::optional<std::string> routing;
  std::uint64_t version = 0;
};

struct WalkPage {
  std::vector<Hit> hits;     // none: the walk is at its end
  std::string pit_id;        // use it from now on; "" if the answer has none
  std::string search_after;  // JSON array
};
Result<WalkPage> ParseWalkPage(std::string_view body);

}  // namespace polyglot::core
