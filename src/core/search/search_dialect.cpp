#include "core/search/search_dialect.h"

#include <utility>

#include "core/delivery/node_pool.h"
#include "core/search/bulk_request.h"
#include "core/search/bulk_response.h"
#include "core/search/classification.h"
#include "core/search/error_text.h"

namespace polyglot::core {
namespace {

constexpr int kNoRoom = 429;

/// The items become judgements as they are read.
class Judge final : public BulkItemSink {
 public:
  explicit Judge(std::size_t items) { judged.reserve(items); }

  void Take(BulkItem&& item) override {
    const ItemVerdict verdict = ClassifyItem(item);
    if (!item.has_error) NameTaker(&item);
    judged.push_back({.verdict = verdict,
                      .status = item.status,
                      .type = std::move(item.error_type),
                      .reason = std::move(item.error_reason)});
  }

  std::vector<ItemJudgement> judged;

 private:
  /// A document that went well, but not to where it was sent.
  static void NameTaker(BulkItem* item) {
    if (item->failure_store) {
      item->error_type = "failure_store";
    } else if (item->dropped) {
      item->error_type = "dropped_by_pipeline";
      item->error_reason = "an ingest pipeline of the index dropped this document";
    } else if (item->moved) {
      item->error_type = "moved_by_pipeline";
      item->error_reason = "an ingest pipeline of the index moved this document to another index";
    }
  }
};

class Bulk final : public Dialect {
 public:
  std::size_t EncodedSize(const Operation& operation) const override {
    return core::EncodedSize(operation);
  }
  BodySlice Append(const Operation& operation, std::string* body) const override {
    return AppendOperation(operation, body);
  }

  RequestVerdict JudgeRequest(const Reply& reply) const override {
    RequestVerdict verdict = reply.answer_cut ? ClassifyBrokenAnswer(reply.transport_error)
                             : reply.transport_ok
                                 ? ClassifyRequest(reply.status, reply.body)
                                 : ClassifyNoAnswer(reply.transport_error, reply.out_of_memory);
    verdict.full = reply.status == kNoRoom;
    verdict.node_is_dead = NodePool::MarksDead(reply.transport_ok, reply.status);
    return verdict;
  }

  std::optional<std::vector<ItemJudgement>> JudgeItems(const Reply& reply,
                                                       std::span<const SentItem> sent,
                                                       RequestVerdict* broken) const override {
    Judge judge(sent.size());
    const std::optional<Error> error = ReadBulkResponse(reply.body, sent, &judge);
    if (!error) return std::move(judge.judged);
    *broken = ClassifyBrokenAnswer(error->message);
    return std::nullopt;
  }

  bool BlamesTheRequest(std::string_view type, std::string_view reason) const override {
    return core::BlamesTheRequest(type, reason);
  }
  std::string Shown(std::string_view type, std::string_view reason) const override {
    return NormaliseError(type, reason);
  }
  std::string Describe(const Reply& reply, const RequestVerdict& verdict) const override {
    if (!reply.transport_ok) return verdict.reason;
    std::string text = "HTTP " + std::to_string(reply.status);
    // Our own words about a broken answer hold no values; the server's may.
    const std::string detail =
        reply.status == 200 ? verdict.reason : Shown(verdict.type, verdict.reason);
    return detail.empty() ? text : text + ": " + detail;
  }
};

}  // namespace

const Dialect& SearchDialect() {
  static const Bulk dialect;
  return dialect;
}

}  // namespace polyglot::core
