#include "core/search/server_info.h"

#include "core/search/answer.h"

namespace polyglot::core {
namespace {

using json::Document;
using json::Find;
using json::Value;

}  // namespace

Result<ServerVersion> ParseServerVersion(std::string_view body, std::string_view product_header) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("names no version");
  const Value* nodes = Find(&answer, "nodes");
  if (nodes == nullptr || !nodes->IsObject() || nodes->MemberCount() == 0)
    return NotUsable("names no version");
  const Value* node = &nodes->MemberBegin()->value;
  ServerVersion server;
  server.version = NameOf(Find(node, "version"));
  if (server.version.empty()) return NotUsable("names no version");
  server.cluster = NameOf(Find(&answer, "cluster_name"));
  const bool elastic = product_header == "Elasticsearch" || Find(node, "build_flavor") != nullptr;
  server.product = elastic ? Product::kElasticsearch : Product::kOpenSearch;
  return server;
}

Result<ClusterHealth> ParseClusterHealth(std::string_view body) {
  Document answer;
  if (!ParseObject(body, &answer)) return NotUsable("is not a cluster's health");
  ClusterHealth health{.cluster = NameOf(Find(&answer, "cluster_name")),
                       .status = NameOf(Find(&answer, "status"))};
  if (health.status.empty()) return NotUsable("is not a cluster's health");
  return health;
}

}  // namespace polyglot::core
