#include "core/search/refused_index.h"

#include <array>

#include "core/search/bulk_response.h"
#include "core/search/error_text.h"

namespace polyglot::core {
namespace {

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

struct Passing {
  std::string_view type;    // "" : any
  std::string_view phrase;  // of the reason; "": any
  const char* hint;
};

constexpr const char* kShards =
    "Raise cluster.max_shards_per_node, or delete indexes that nobody needs.";
constexpr const char* kMissingPart =
    "Install or create it on the search server, or name another one by polyglot.alter_sync "
    "(mapping, settings).";

/// Elasticsearch 7 to 9 and OpenSearch 2 and 3 use the same words.
constexpr std::array<Passing, 14> kPassing = {{
    {"validation_exception", "shards open", kShards},
    {"validation_exception", "cluster currently has", kShards},
    {"cluster_block_exception", "",
     "The search cluster takes no new index now: look at its disk space and cluster.blocks."},
    {"process_cluster_event_timeout_exception", "", ""},
    {"snapshot_in_progress_exception", "", ""},
    {"circuit_breaking_exception", "", ""},
    {"not_master_exception", "", ""},
    {"", "pipeline with id [", kMissingPart},
    {"", "failed to find tokenizer", kMissingPart},
    {"", "failed to find filter", kMissingPart},
    {"", "failed to find char_filter", kMissingPart},
    {"", "requires a plugin", kMissingPart},
    {"", "No handler for type [", kMissingPart},
    {"", "creates data streams only",
     "An index template there makes data streams of this index's name."},
}};

bool IsNameTaken(const ServerError& error) {
  return error.type == "resource_already_exists_exception" ||
         (error.type == "invalid_index_name_exception" && Contains(error.reason, "already exists"));
}

bool IsAliasTaken(const ServerError& error) {
  return error.type == "invalid_alias_name_exception" ||
         Contains(error.reason, "alias with the same name") ||
         Contains(error.reason, "exists with the same name as the alias");
}

const char* HintFor(std::string_view reason) {
  if (Contains(reason, "Limit of total fields"))
    return "Raise index.mapping.total_fields.limit by polyglot.alter_sync(settings => …), or have "
           "fewer fields by columns.";
  return "Correct it by polyglot.alter_sync (mapping, settings): the index is then made.";
}

}  // namespace

RefusedIndex JudgeRefusedIndex(int status, std::string_view body) {
  const ServerError error = ParseServerError(body);
  RefusedIndex refused{.reason = WholeRefusal(body), .hint = {}};
  if (IsNameTaken(error)) {
    refused.refusal = IndexRefusal::kNameTaken;
    return refused;
  }
  if (IsAliasTaken(error)) {
    refused.refusal = IndexRefusal::kAliasTaken;
    return refused;
  }
  for (const Passing& passing : kPassing)
    if ((passing.type.empty() || passing.type == error.type) &&
        (passing.phrase.empty() || Contains(refused.reason, passing.phrase))) {
      refused.hint = passing.hint;
      return refused;
    }
  if (status != 400) return refused;
  refused.refusal = IndexRefusal::kDefinition;
  refused.hint = HintFor(refused.reason);
  return refused;
}

}  // namespace polyglot::core
