#include "core/delivery/isolation.h"

#include <algorithm>

namespace polyglot::core {
namespace {

constexpr std::uint32_t kPromptAnswers = 3;  // so many in a row end what was seen by itself

}  // namespace

void Isolation::Witnesses::Note(std::int32_t sync, Time at) {
  if (seen[0].sync != sync) seen[1] = seen[0];
  seen[0] = {sync, at};
}

bool Isolation::Witnesses::Other(std::int32_t sync, Time since) const {
  return std::any_of(seen.begin(), seen.end(),
                     [&](const Seen& one) { return one.sync != sync && one.at >= since; });
}

void Isolation::Convict(std::int32_t sync) {
  Record& record = records_[sync];
  record.seen_slow = true;
  record.prompt = 0;
}

Isolation::Record* Isolation::Find(std::int32_t sync) {
  const auto it = records_.find(sync);
  return it == records_.end() ? nullptr : &it->second;
}

const Isolation::Record* Isolation::Find(std::int32_t sync) const {
  const auto it = records_.find(sync);
  return it == records_.end() ? nullptr : &it->second;
}

std::uint32_t Isolation::Failed(std::int32_t sync, Time now) {
  Record& record = records_[sync];
  record.failed_at = now;
  return ++record.failures;
}

bool Isolation::Answered(std::int32_t sync, Time latency, Time now) {
  const bool in_time = latency < kLateAfter;
  any_.Note(sync, now);
  if (in_time) in_time_.Note(sync, now);
  Record* record = Find(sync);
  if (record == nullptr) return false;
  record->failures = 0;
  record->prompt = in_time ? record->prompt + 1 : 0;
  if (record->prompt < (record->seen_slow ? kPromptAnswers : 1)) return false;
  Forget(sync);
  return true;
}

bool Isolation::OthersInTime(std::int32_t sync, Time since, Time now) const {
  return in_time_.Other(sync, std::max(since, now - kRecent));
}

bool Isolation::OthersAnswered(std::int32_t sync, Time since, Time now) const {
  return any_.Other(sync, std::max(since, now - kRecent));
}

}  // namespace polyglot::core
