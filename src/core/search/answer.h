#pragma once
// What all parsers of answers share.

#include <cstddef>
#include <string>
#include <string_view>

#include "core/json_tree.h"
#include "core/result.h"

namespace polyglot::core {

/// Names in answers (of indexes, aliases, clusters, ids of theirs) are cut here.
inline constexpr std::size_t kNameBytes = 8192;

inline std::string NameOf(const json::Value* value) { return json::TextOf(value, kNameBytes); }

/// "answer of the search server names no version"
inline Error NotUsable(std::string_view what) {
  return {.message = "answer of the search server " + std::string(what), .hint = {}};
}

/// Did a shard fail, or was there no time for all of them? What such an answer lacks may be there.
inline bool IsPartial(const json::Value& answer) {
  const json::Value* timed_out = json::Find(&answer, "timed_out");
  const json::Value* failed = json::Find(json::Find(&answer, "_shards"), "failed");
  return (timed_out != nullptr && timed_out->IsTrue()) ||
         (failed != nullptr && failed->IsUint64() && failed->GetUint64() > 0);
}

}  // namespace polyglot::core
