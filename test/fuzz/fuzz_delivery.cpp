// Delivery beside a search server (see delivery_game.h).
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/search/search_dialect.h"
#include "delivery_game.h"

using namespace polyglot::core;

namespace {

constexpr char kConflict[] = R"(,"error":{"type":"version_conflict_engine_exception"})";

constexpr std::array<ItemForm, 22> kItemForms = {{
    {200, "", false},
    {201, "", false},
    {201, R"(,"failure_store":"used")", true},
    {404, "", false},
    {409, kConflict, true},
    {409, R"(,"error":{"type":"x"})", true},
    {429, R"(,"error":{"type":"rejected_execution_exception"})", true},
    {429, R"(,"error":{"type":"circuit_breaking_exception"})", true},
    {429, R"(,"error":{"type":"cluster_block_exception"})", true},
    {403, R"(,"error":{"type":"cluster_block_exception"})", true},
    {403, R"(,"error":{"type":"security_exception"})", true},
    {404, R"(,"error":{"type":"index_not_found_exception"})", true},
    {404, R"(,"error":{"type":"document_missing_exception"})", true},
    {400, R"(,"error":{"type":"index_closed_exception"})", true},
    {400, R"(,"error":{"type":"mapper_parsing_exception","reason":"r"})", true},
    {400, R"(,"error":{"type":"x","reason":"Limit of total fields [3] has been exceeded"})", true},
    {400, R"(,"error":{"type":"action_request_validation_exception"})", true},
    {408, R"(,"error":"bare")", true},
    {500, R"(,"error":{"type":"x"})", true},
    {503, R"(,"error":{"type":"unavailable_shards_exception"})", true},
    {302, R"(,"error":{"type":"x"})", true},
    {413, R"(,"error":{"type":"x"})", true},
}};

constexpr std::array<int, 24> kStatuses = {201, 204, 302, 400, 400, 401, 403, 404,
                                           407, 408, 409, 413, 413, 429, 429, 431,
                                           500, 501, 502, 503, 504, 507, 520, 425};

constexpr std::array<const char*, 7> kErrorTypes = {"",
                                                    "cluster_block_exception",
                                                    "circuit_breaking_exception",
                                                    "media_type_header_exception",
                                                    "security_exception",
                                                    "parse_exception",
                                                    "x_content_parse_exception"};

class SearchWire final : public Wire {
 public:
  const Dialect& dialect() const override { return SearchDialect(); }
  std::span<const ItemForm> forms() const override { return kItemForms; }

  std::vector<Line> Read(std::string_view text) const override {
    constexpr std::string_view kVersion = "\"version\":";
    const auto line = [&text] {
      const std::size_t end = text.find('\n');
      Require(end != std::string_view::npos);
      const std::string_view found = text.substr(0, end);
      text.remove_prefix(end + 1);
      return found;
    };
    std::vector<Line> lines;
    while (!text.empty()) {
      const std::string_view action = line();
      const std::size_t at = action.find(kVersion);
      Require(at != std::string_view::npos);
      const std::string digits(action.substr(at + kVersion.size()));
      lines.push_back({std::strtoull(digits.c_str(), nullptr, 10), {}});
      if (action.starts_with("{\"index\"")) lines.back().document = line();
    }
    return lines;
  }

  std::string Items(std::span<const Operation* const> operations,
                    std::span<const ItemForm* const> forms) const override {
    std::string items;
    bool errors = false;
    for (std::size_t i = 0; i < forms.size(); ++i) {
      const bool index = operations[i]->kind == OperationKind::kIndex;
      const ItemForm& form = *forms[i];
      const std::string_view rest = form.rest;
      const bool absent = form.status == 404 && rest.empty() && !index;
      errors =
          errors || rest.find("error") != std::string_view::npos || (form.status >= 300 && !absent);
      if (!items.empty()) items += ',';
      items += std::string("{\"") + (index ? "index" : "delete") +
               "\":{\"status\":" + std::to_string(form.status) + form.rest + "}}";
    }
    return std::string("{\"errors\":") + (errors ? "true" : "false") + ",\"items\":[" + items +
           "]}";
  }

  bool Refuse(Input* input, Reply* reply) const override {
    reply->status = kStatuses[input->Below(kStatuses.size())];
    reply->body = R"({"error":{"type":")" +
                  std::string(kErrorTypes[input->Below(kErrorTypes.size())]) +
                  R"(","reason":"r"}})";
    return reply->status == 400 || reply->status == 413;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Game(SearchWire(), data, size).Play();
  return 0;
}
