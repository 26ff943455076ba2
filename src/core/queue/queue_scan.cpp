#include "core/queue/queue_scan.h"

#include <algorithm>

namespace polyglot::core {

void QueueScan::Reset() { *this = QueueScan(); }

void QueueScan::Index(std::uint32_t number, const OpenBlock& block) {
  by_change_.emplace(block.changed, number);
  by_due_.emplace(block.due, number);
  if (block.pending) pending_.insert(number);
}

void QueueScan::Unindex(std::uint32_t number, const OpenBlock& block) {
  by_change_.erase({block.changed, number});
  by_due_.erase({block.due, number});
  pending_.erase(number);
}

void QueueScan::BeginPass(std::uint32_t block_count, bool all, Time now) {
  pass_.clear();
  at_ = 0;
  if (all || open_.size() <= kHotBlocks) {
    for (const auto& [number, block] : open_) pass_.push_back(number);
  } else {
    pass_.assign(pending_.begin(), pending_.end());
    auto hot = by_change_.rbegin();
    for (std::size_t i = 0; i < kHotBlocks; ++i, ++hot) pass_.push_back(hot->second);
    for (auto due = by_due_.begin(); due != by_due_.end() && due->first <= now; ++due)
      pass_.push_back(due->second);
  }
  std::sort(pass_.begin(), pass_.end());  // file order: reading is sequential
  pass_.erase(std::unique(pass_.begin(), pass_.end()), pass_.end());
  pass_end_ = std::max(block_count, next_block_);
}

bool QueueScan::NextBlock(std::uint32_t* block) {
  if (at_ < pass_.size()) {
    *block = pass_[at_++];
    return true;
  }
  if (next_block_ >= pass_end_) return false;
  *block = next_block_++;
  return true;
}

void QueueScan::Deliver(OpenBlock& block, const PageView& page, std::vector<std::uint16_t>* deliver,
                        bool* changed, bool* closed) {
  block.pending = false;
  bool all_committed = page.initialized;
  if (block.delivered_xmin.size() < page.line_pointers)
    block.delivered_xmin.resize(page.line_pointers, 0);
  for (const SeenRow& row : page.rows) {
    if (row.visibility == RowVisibility::kPending) block.pending = true;
    if (row.visibility == RowVisibility::kAborted) all_committed = false;
    if (row.visibility != RowVisibility::kVisible) continue;
    std::uint32_t& seen = block.delivered_xmin[row.line_pointer - 1u];
    if (seen == row.raw_xmin) continue;
    seen = row.raw_xmin;
    deliver->push_back(row.line_pointer);
    ++delivered_;
    *changed = true;
  }
  // Unused line pointers can be given away again.
  if (page.rows.size() < page.line_pointers) all_committed = false;
  *closed = all_committed && !block.pending && !page.room_for_a_row;
}

void QueueScan::ShowPage(std::uint32_t number, const PageView& page, Time now,
                         std::vector<std::uint16_t>* deliver) {
  auto [it, is_new] = open_.try_emplace(number);
  OpenBlock& block = it->second;
  if (!is_new) Unindex(number, block);
  bool changed = false, closed = false;
  Deliver(block, page, deliver, &changed, &closed);
  if (closed) {
    open_.erase(it);
    return;
  }
  if (changed || is_new) block.changed = ++changes_;
  block.wait = changed || is_new ? Time{1000} : std::min(block.wait * 2, kLongestWait);
  block.due = now + block.wait;
  Index(number, block);
}

}  // namespace polyglot::core
