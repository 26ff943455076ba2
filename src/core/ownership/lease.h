#pragma once
// Who may write: a lease in the search cluster, one document for each sync, in an index of its own.
// Several copies of one database cannot be told apart from inside, but only one of them can renew
// this document: every write of it compares `_seq_no` and `_primary_term`. No clocks are compared:
// an owner lives if the document changes while somebody watches.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"

namespace polyglot::core {

inline constexpr std::string_view kLeaseIndex = "polyglot-sync-owners";
/// An owner renews so often …
inline constexpr Time kLeaseRenewal{10'000'000};
/// … and one that did not while somebody watched so long is dead.
inline constexpr Time kLeaseWatch{15'000'000};
/// One that still does after so long will not stop: until then it may be on its way down.
inline constexpr Time kLeasePatience{30'000'000};
/// A single renewal may be a late request of one that is dead.
inline constexpr int kLeaseRenewals = 2;

struct LeaseRecord {
  std::uint64_t system_identifier = 0;
  std::uint32_t database = 0;
  std::int32_t sync = 0;
  std::uint32_t timeline = 0;
  std::string home;         // the data folder on a machine that has not been started anew
  std::string incarnation;  // the postmaster: a copy of its folder is another one
  std::uint64_t epoch = 0;
  std::uint64_t position = 0;  // no operation has been made with a higher one
  bool released = false;       // its owner has left of his own will
};

struct FoundLease {
  LeaseRecord record;
  std::int64_t seq_no = 0, primary_term = 0;
};

/// Where a timeline was left for the one that this database is on.
struct TimelineEnd {
  std::uint32_t timeline;
  std::uint64_t position;
};

/// What is seen of somebody else's lease, one look after another.
class LeaseWatch {
 public:
  void Look(const FoundLease& found, Time now);
  void End() { last_.reset(); }
  bool active() const { return last_.has_value(); }
  /// For how long it has been looked at; for how long it has not changed although it could have:
  /// where no look succeeded, its owner may not have reached the server either.
  Time watched(Time now) const { return now - since_; }
  Time unchanged(Time now) const { return now - unchanged_since_; }
  int renewals() const { return renewals_; }

 private:
  std::optional<FoundLease> last_;
  Time since_{0}, unchanged_since_{0}, looked_at_{0};
  int renewals_ = 0;
};

struct LeaseQuestion {
  LeaseRecord now;  // who we are
  std::uint64_t flushed = 0;
  std::vector<TimelineEnd> history;
  std::optional<FoundLease> found;
  Time unchanged{0}, watched{0};  // how long; 0: it is seen for the first time
  int renewals = 0;               // meanwhile
  bool abandoned = false;         // the lease is that of a sync which this database has dropped
  bool sibling = false;           // … of another sync of this database, which has it for good
  bool adopt = false;             // whoever has it
};

enum class LeaseVerdict : std::uint8_t {
  kTake,
  kWatch,      // ask again
  kContested,  // somebody else lives and writes
};

struct LeaseJudgement {
  LeaseVerdict verdict = LeaseVerdict::kTake;
  bool raise = false;  // somebody else's versions may be in the index: another epoch is needed
  bool doubt = false;  // … and what he wrote may not be what our table holds
};

/// Does the lease name this very sync of this database?
bool SameSync(const LeaseRecord& one, const LeaseRecord& other);
/// … and this postmaster?
bool IsOwnLease(const LeaseRecord& lease, const LeaseRecord& now);
LeaseJudgement JudgeLease(const LeaseQuestion& question);

}  // namespace polyglot::core
