#include "core/ownership/lease.h"

namespace polyglot::core {
namespace {

// Up to where the owner of the lease and we have the same history.
std::uint64_t CommonHistory(const LeaseQuestion& q) {
  const std::uint32_t timeline = q.found->record.timeline;
  if (timeline == q.now.timeline) return q.flushed;
  for (const TimelineEnd& end : q.history)
    if (end.timeline == timeline) return end.position;
  return 0;
}

// Nobody else writes. May he have written what our table does not know?
LeaseJudgement Take(const LeaseQuestion& q) {
  const LeaseRecord& lease = q.found->record;
  LeaseJudgement judgement;
  judgement.doubt = !SameSync(lease, q.now) || lease.position > CommonHistory(q) ||
                    (!lease.released && (lease.home.empty() || lease.home != q.now.home));
  judgement.raise =
      judgement.doubt || lease.timeline != q.now.timeline || lease.epoch > q.now.epoch;
  return judgement;
}

}  // namespace

bool SameSync(const LeaseRecord& one, const LeaseRecord& other) {
  return one.system_identifier == other.system_identifier && one.database == other.database &&
         one.sync == other.sync;
}

bool IsOwnLease(const LeaseRecord& lease, const LeaseRecord& now) {
  return SameSync(lease, now) && lease.incarnation == now.incarnation;
}

void LeaseWatch::Look(const FoundLease& found, Time now) {
  const bool moved =
      last_ && (last_->seq_no != found.seq_no || last_->primary_term != found.primary_term);
  if (!last_) {
    since_ = now;
    renewals_ = 0;
  }
  if (!last_ || moved || now - looked_at_ >= kLeaseRenewal) unchanged_since_ = now;
  renewals_ += moved ? 1 : 0;
  looked_at_ = now;
  last_ = found;
}

LeaseJudgement JudgeLease(const LeaseQuestion& q) {
  if (!q.found) return {};
  const LeaseRecord& lease = q.found->record;
  if (IsOwnLease(lease, q.now)) return {.raise = lease.epoch > q.now.epoch};
  if (q.sibling) return {.verdict = LeaseVerdict::kContested};
  if (q.adopt) return {.raise = true, .doubt = true};
  if (q.abandoned) return {};
  if (lease.incarnation.empty() || lease.released || q.unchanged >= kLeaseWatch) return Take(q);
  if (q.watched >= kLeasePatience && q.renewals >= kLeaseRenewals)
    return {.verdict = LeaseVerdict::kContested};
  return {.verdict = LeaseVerdict::kWatch};
}

}  // namespace polyglot::core
