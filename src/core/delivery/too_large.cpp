// The end of a document that the server has no memory for; when it has come is told by pressure.h.

#include "core/delivery/delivery_state.h"

namespace polyglot::core {
namespace {

constexpr std::size_t kMegabyte = 1u << 20;

}  // namespace

// Numbers of ours, the server's words, and what to do.
std::string TooLargeText(const Pending& pending, const std::string& reason) {
  const auto seconds = (pending.room.last - pending.room.first).count() / 1'000'000;
  const std::size_t kilobytes = pending.encoded >> 10;
  const std::string size = pending.encoded < kMegabyte ? std::to_string(kilobytes) + " kB"
                                                       : std::to_string(kilobytes >> 10) + " MB";
  return "this document of " + size + " was refused " + std::to_string(pending.room.count) +
         " times in " + std::to_string(seconds) + " s, while others were taken" +
         (reason.empty() ? "" : ": " + reason) +
         "; raise indexing_pressure.memory.limit or the heap of the search server, or lower "
         "max_document_bytes";
}

// Among others a large item says little; alone it tells whether it is the one that does not fit.
bool Delivery::State::TooLargeForGood(Batch* batch, BatchItem* item, bool whole, bool for_memory,
                                      Time now) {
  Pending& pending = *item->pending;
  const std::size_t bytes = pending.encoded;
  if (!for_memory || batch->items.size() > 1) {
    pressure.Refused(whole ? batch->body->size() : bytes, now);
    if (for_memory && !whole && bytes > kSmallBody && pending.retries + 1 >= kRejectedTries)
      pending.alone = true;
    return false;
  }
  // The server's door is the same for all; an index may be on a node that is full.
  const std::int32_t others = whole ? Pressure::kAny : pending.operation.sync;
  return pressure.Blames(&pending.room, others, bytes, now);
}

bool Delivery::State::BuryTooLarge(Batch* batch, const Reply& reply, const RequestVerdict& verdict,
                                   Time now) {
  BatchItem* item = &batch->items.front();
  if (!TooLargeForGood(batch, item, true, verdict.for_memory, now) || item->gone) return false;
  Connected(now);
  FinishDead(*batch, item, reply.status, verdict.type, TooLargeText(*item->pending, verdict.reason),
             now);
  return true;
}

}  // namespace polyglot::core
