#include "core/ownership/epoch.h"

#include <algorithm>

namespace polyglot::core {
namespace {

// Has somebody else written this? Ours is stored in our table before it is written to the index.
bool IsAnothers(const EpochQuestion& q) {
  const VersionRecord& index = *q.index;
  return index.epoch > q.now.epoch || index.bound > q.now.bound ||
         (index.timeline != 0 && index.timeline != q.now.timeline);
}

// Our WAL ends before what we have written ahead.
bool IsBehind(const EpochQuestion& q) { return q.flushed + kBoundStep < q.now.bound; }

EpochJudgement Raise(const EpochQuestion& q) {
  const std::uint64_t known = std::max(q.now.epoch, q.lease_epoch);
  const std::uint64_t epoch = std::max(known, q.index ? q.index->epoch : 0) + 1;
  const bool newer = q.index && (q.index->epoch > q.now.epoch || q.index->bound > q.now.bound);
  if (epoch > kEpochLimit) return {EpochVerdict::kExhausted};
  return {EpochVerdict::kRaise, epoch, newer || q.adopt || IsBehind(q) || !q.lease_vouches};
}

}  // namespace

bool SameDatabase(const VersionRecord& one, const VersionRecord& other) {
  return one.system_identifier == other.system_identifier && one.database == other.database;
}

EpochJudgement JudgeEpoch(const EpochQuestion& q) {
  const bool same = !q.index || (SameDatabase(*q.index, q.now) && q.index->sync == q.now.sync);
  if (!same && !q.adopt) return {EpochVerdict::kForeign};
  const bool anothers = q.index && IsAnothers(q);
  if (!q.first && anothers) return {EpochVerdict::kContested};
  const bool moved = q.stored_timeline != q.now.timeline || IsBehind(q);
  if (anothers || moved || q.lease_raises || !same) return Raise(q);
  if (!q.index) return {EpochVerdict::kRewrite};
  if (q.index->epoch < q.now.epoch || q.index->bound < q.acknowledged)
    return {EpochVerdict::kIndexOlder};
  return {EpochVerdict::kGoOn};
}

}  // namespace polyglot::core
