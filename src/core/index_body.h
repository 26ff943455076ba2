#pragma once
// Bodies and answers of everything but `_bulk` and the making of indexes (index_definition.h):
// descriptions, aliases, point-in-time searches, versions. Text in, text out; whatever a server
// sends may be anything, so parsers return errors.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/index_definition.h"
#include "core/result.h"

namespace polyglot::core {

/// One atomic `POST /_aliases`: `alias` points to `index` and to nothing else; "": it is only taken
/// away.
struct AliasChange {
  std::string alias;
  std::string index;
  std::vector<std::string> remove_from;   // indexes that lose the alias
  std::vector<std::string> remove_index;  // indexes that are deleted in the same step
};
std::string AliasBody(const AliasChange& change);

/// An index as `GET /<name>`, `GET /_alias/<name>` or `GET /<name>/_settings` describe it: whatever
/// of these the answer holds. Several for an alias to several or a pattern.
struct IndexDescription {
  std::string name;  // the physical one
  std::string uuid;
  std::vector<std::string> aliases;
  MetaPairs meta;           // of polyglot_sync
  std::string mapping;      // `{"_meta": …}`, all of it; "" when there is none
  std::string data_stream;  // that it is a backing index of; ""
};
Result<std::vector<IndexDescription>> ParseIndices(std::string_view body);
/// The change that makes `alias` point to `index`; `holders`: what GET of both names has found.
AliasChange ChangeOfAlias(std::string_view alias, std::string_view index,
                          const std::vector<IndexDescription>& holders);
/// Does this index bear the alias?
bool HasAlias(const IndexDescription& index, std::string_view alias);
/// Is this the body of a 404 by which a search server itself says that there is no such index
/// (`error` has a `type`) or document (`found` is false)? A gateway's may be JSON as well.
bool SaysMissing(std::string_view body);
/// The number in an answer to `GET /<index>/_count`.
Result<std::int64_t> ParseCount(std::string_view body);
/// Path of the question, and the body of `PUT /<index>/_settings` that brings back what the answer
/// says: the refresh interval, also when it is the default.
inline constexpr std::string_view kRefreshSettingPath =
    "/_settings?filter_path=*.settings.index.refresh_interval";
Result<std::string> RefreshSettingBody(std::string_view body);
/// What to add to those paths to get nothing else.
inline constexpr std::string_view kDescribeFilter =
    "filter_path=*.aliases,*.mappings._meta,*.settings.index.uuid,*.data_stream";

/// What in an index keeps its documents from being what was sent: found by GET /<index> with
/// kContentFilter.
struct ContentRules {
  std::string incomparable;  // why no document can equal its row; "": nothing is in the way
  std::string pipelines;     // names of ingest pipelines, which may change documents
};
inline constexpr std::string_view kContentFilter =
    "filter_path=*.mappings._source,*.settings.index.mapping.source,"
    "*.settings.index.default_pipeline,*.settings.index.final_pipeline";
Result<ContentRules> ParseContentRules(std::string_view body);

// ---- point in time
// --------------------------------------------------------------------------------

enum class Product : std::uint8_t { kElasticsearch, kOpenSearch };

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

// ---- the server
// -----------------------------------------------------------------------------------

/// Needs the privilege `monitor`; `GET /` is missing on some distributions.
inline constexpr std::string_view kVersionPath =
    "/_nodes/_local?filter_path=cluster_name,nodes.*.version,nodes.*.build_flavor";
inline constexpr std::string_view kHealthPath = "/_cluster/health?filter_path=cluster_name,status";

struct ServerVersion {
  Product product = Product::kElasticsearch;
  std::string version;
  std::string cluster;
};
/// `product_header`: the value of X-Elastic-Product, "" when absent.
Result<ServerVersion> ParseServerVersion(std::string_view body, std::string_view product_header);

struct ClusterHealth {
  std::string cluster;
  std::string status;  // green | yellow | red
};
Result<ClusterHealth> ParseClusterHealth(std::string_view body);

}  // namespace polyglot::core
