#pragma once
// Bodies and answers of everything but `_bulk` and the making of indexes (index_definition.h):
// descriptions, aliases, point-in-time searches, versions. Text in, text out; whatever a server
// sends may be anything, so parsers return errors.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/search/index_definition.h"

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

}  // namespace polyglot::core
