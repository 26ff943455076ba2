#pragma once
// What a search server says of itself: product, version, health of its cluster.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace polyglot::core {

enum class Product : std::uint8_t { kElasticsearch, kOpenSearch };

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
