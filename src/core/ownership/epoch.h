#pragma once
// Versions are epoch × 2^52 + position. The epoch of an index rises when somebody else's versions
// may be in it: those of a primary that this database was promoted from, or of the time after the
// backup that it was restored from. What tells is written in two places, a table of ours and the
// index's `_meta`, and compared here.

#include <cstdint>
#include <optional>

namespace polyglot::core {

/// Positions are bytes of WAL. A bound stands in both places before a position beyond it is used.
inline constexpr std::uint64_t kBoundStep = std::uint64_t{256} << 20;
/// The last epochs of the 63 bits are left for those who repair by hand.
inline constexpr std::uint64_t kEpochLimit = 2000;

/// What one of the two places says of the last writer.
struct VersionRecord {
  std::uint64_t system_identifier = 0;
  std::uint32_t database = 0;
  std::int32_t sync = 0;
  std::int32_t instance = 0;   // of the extension: numbers of syncs come again after DROP EXTENSION
  std::uint32_t timeline = 0;  // 0: not recorded
  std::uint64_t epoch = 1;
  std::uint64_t bound = 0;  // no operation was sent with a higher position
};

/// False for a copy made by CREATE DATABASE … TEMPLATE, by pg_upgrade or by a restore of a dump.
bool SameDatabase(const VersionRecord& one, const VersionRecord& other);

enum class EpochVerdict : std::uint8_t {
  kGoOn,
  kRewrite,     // the index's record is missing: write it again
  kIndexOlder,  // the index is that of an earlier time: its documents must be brought in step
  kRaise,       // the database was promoted or restored: a new epoch, and everything in step
  kExhausted,   // as kRaise, but there is no epoch left
  kForeign,     // the index belongs to somebody else
  kContested,   // somebody who took this database for his own has written meanwhile
};

struct EpochQuestion {
  VersionRecord now;                   // who we are; epoch and bound as stored in our table
  std::uint32_t stored_timeline = 0;   // in our table
  std::uint64_t flushed = 0;           // position up to which the WAL is on disk now
  std::optional<VersionRecord> index;  // what the index says
  bool first = true;                   // not judged yet by this process: nothing was written by it
  std::uint64_t acknowledged = 0;      // the bound that the index has confirmed to this process
  // What the lease told when it was taken (lease.h).
  bool lease_raises = false;  // another epoch is needed
  bool lease_vouches = true;  // nobody has written what our table does not know
  std::uint64_t lease_epoch = 0;
  bool adopt = false;  // whoever wrote into the index: it is ours from now on
};

struct EpochJudgement {
  EpochVerdict verdict = EpochVerdict::kGoOn;
  std::uint64_t epoch = 0;  // the new one, for kRaise
  bool repair = false;      // and index and table may differ
};
EpochJudgement JudgeEpoch(const EpochQuestion& question);

}  // namespace polyglot::core
