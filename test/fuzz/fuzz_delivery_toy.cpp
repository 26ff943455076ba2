// Delivery beside a target that is none of search's kind: nothing of HTTP, JSON or `_bulk` may be
// left in its state machine. An operation is "<version> <length> <document>", an answer a letter
// for each, or '!' and one letter for all.
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "core/delivery/dialect.h"
#include "core/delivery/reply.h"
#include "core/delivery/verdict.h"
#include "core/operation.h"
#include "delivery_game.h"

using namespace polyglot::core;

namespace {

constexpr ItemForm kForms[] = {{200, "o", false}, {404, "n", false}, {409, "s", true},
                               {429, "f", true},  {500, "r", true},  {400, "d", true},
                               {403, "b", true},  {404, "m", true},  {503, "u", true}};
constexpr std::string_view kRefusals = "rxptTdb?";

ItemVerdict VerdictOf(char letter) {
  switch (letter) {
    case 'o':
      return {.action = ItemAction::kOk};
    case 'n':
      return {.action = ItemAction::kOk, .not_found = true};
    case 's':
      return {.action = ItemAction::kStale};
    case 'f':
      return {.action = ItemAction::kRetry, .back_pressure = true};
    case 'r':
      return {.action = ItemAction::kRetryLimited};
    case 'b':
      return {.action = ItemAction::kBlocked};
    case 'm':
      return {.action = ItemAction::kIndexMissing};
    case 'u':
      return {.action = ItemAction::kRetry, .unavailable = true};
    default:
      return {.action = ItemAction::kDead};
  }
}

class Toy final : public Dialect {
 public:
  std::size_t EncodedSize(const Operation& operation) const override {
    std::string body;
    Append(operation, &body);
    return body.size();
  }
  BodySlice Append(const Operation& operation, std::string* body) const override {
    *body += std::to_string(operation.version) + ' ' + std::to_string(operation.body.size()) + ' ';
    const BodySlice slice{.offset = body->size(), .length = operation.body.size()};
    *body += operation.body;
    return slice;
  }
  RequestVerdict JudgeRequest(const Reply& reply) const override {
    RequestVerdict verdict{.action = RequestAction::kUnreachable, .node_is_dead = true};
    if (!reply.transport_ok) return verdict;
    verdict = {.action = RequestAction::kSuspect, .tries = 3};
    if (reply.body.starts_with('=')) verdict.action = RequestAction::kItems;
    if (reply.body.size() != 2 || reply.body[0] != '!') return verdict;
    const std::size_t at = kRefusals.find(reply.body[1]);
    if (at < kRefusals.size()) verdict.action = static_cast<RequestAction>(at + 1);
    if (at == 0) verdict.full = verdict.back_pressure = true;
    return verdict;
  }
  std::optional<std::vector<ItemJudgement>> JudgeItems(const Reply& reply,
                                                       std::span<const SentItem> sent,
                                                       RequestVerdict* broken) const override {
    *broken = {.action = RequestAction::kSuspect, .tries = 3};
    if (reply.body.size() != sent.size() + 1) return std::nullopt;
    std::vector<ItemJudgement> judged;
    for (const char letter : reply.body.substr(1))
      judged.push_back({.verdict = VerdictOf(letter), .status = 0, .type = "toy", .reason = {}});
    return judged;
  }
  bool BlamesTheRequest(std::string_view, std::string_view) const override { return false; }
  std::string Shown(std::string_view type, std::string_view) const override {
    return std::string(type);
  }
  std::string Describe(const Reply&, const RequestVerdict& verdict) const override {
    return verdict.type;
  }
};

class ToyWire final : public Wire {
 public:
  const Dialect& dialect() const override { return dialect_; }
  std::span<const ItemForm> forms() const override { return kForms; }

  std::vector<Line> Read(std::string_view text) const override {
    std::vector<Line> lines;
    const auto number = [&text] {
      std::uint64_t value = 0;
      const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
      text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()) + 1);
      return value;
    };
    while (!text.empty()) {
      const std::uint64_t version = number();
      const std::size_t length = number();
      lines.push_back({version, text.substr(0, length)});
      text.remove_prefix(length);
    }
    return lines;
  }
  std::string Items(std::span<const Operation* const>,
                    std::span<const ItemForm* const> forms) const override {
    std::string body = "=";
    for (const ItemForm* form : forms) body += form->rest;
    return body;
  }
  bool Refuse(Input* input, Reply* reply) const override {
    const char letter = kRefusals[input->Below(kRefusals.size())];
    reply->body = std::string("!") + letter;
    return letter == 't' || letter == 'T';
  }

 private:
  Toy dialect_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ToyWire wire;
  Game(wire, data, size).Play();
  return 0;
}
