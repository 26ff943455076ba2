#pragma once
// What the worker knows of one sync while it runs. Everything here can be rebuilt from the tables.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/delivery/backfill_pace.h"
#include "core/delivery/finished.h"
#include "core/ownership/lease.h"
#include "core/queue/control_record.h"
#include "core/queue/pending_keys.h"
#include "core/queue/queue_record.h"
#include "core/time.h"
#include "pg/catalog/parked_keys.h"
#include "pg/document/row_reader.h"
#include "pg/shared/shared_state.h"

namespace polyglot::pg {

class Channel;
struct VerificationState;

/// Where the index of a sync stands.
enum class IndexStep {
  kUnknown,      // nothing asked yet
  kAsking,       // a request is under way
  kReady,        // exists, its UUID is the stored one
  kUnavailable,  // asked in vain; asked again at `retry_at`
};

struct IndexState {
  bool missing = false;  // somebody else's index (manage_index => false) does not exist
  IndexStep step = IndexStep::kUnknown;
  std::shared_ptr<const std::string> physical;  // nullptr: none yet
  std::string planned;  // of a generation that is being built: the name stored for it
  std::string uuid;
  int generation = 0;
  bool alias_pending = false;
  bool alias_elsewhere = false;  // somebody pointed the alias away from our index
  std::string alias_shared;      // … to this one as well
  core::Time alias_check_at{0};
  bool checking = false;           // a UUID check is under way
  bool alone = false;              // a check of many told nothing of it
  bool check_before_write = true;  // no write until the UUID was compared (new connection)
  core::Time next_check{0}, asked_at{0};
  core::Time retry_at{0};
  core::Time refused_wait{0};    // not 0: questions about this index are refused, others are not
  bool refused_for_now = false;  // a failure that the server may take back at any time
  bool dirty = false;            // not yet stored
  bool lost = false;             // gone or replaced: the resync path must begin
  bool created_here = false;     // by this very process: nobody else ever wrote into it
  bool redefined = false;        // one that was asked for, but never seen, has an earlier mapping
  core::Time refresh_at{0};
};

/// Whether this server may write to the index: see lease.h. A generation that is being built
/// writes under the lease of the live one.
struct LeaseState {
  bool held = false, renewing = false;
  bool was_held = false;   // by this process: who has it now took it from us
  bool disturbed = false;  // it was taken from somebody else: generations begun before are in doubt
  std::int64_t seq_no = 0, primary_term = 0;
  core::Time valid_until{0}, renew_at{0};
  std::uint64_t written_epoch = 0;  // the document has it
  core::LeaseWatch watch;           // of somebody else's
  // What taking it told, until the index was judged.
  bool raises = false, vouches = true;
  std::uint64_t found_epoch = 0;
  std::optional<core::LeaseRecord> before;  // another sync's, as it was found
};

/// The document that names the owner of an index which the sync does not manage: index_owner.h.
struct ClaimState {
  std::string uuid;  // of the index; empty: not looked at since the lease was taken
  std::int64_t seq_no = 0, primary_term = 0;
};

/// Which versions may be used: see core/ownership/epoch.h.
struct VersionState {
  std::uint32_t timeline = 0;      // in our table
  std::uint64_t stored_bound = 0;  // in our table: positions up to it may be written to the index
  std::uint64_t bound = 0;         // also confirmed by the index: positions up to it may be used
  std::uint64_t highest = 0;       // position of an operation of this process
  std::uint64_t raised_at_highest = 0;
  bool unstored = false;        // the two above are not in our table yet: nothing begins before
  bool judged = false;          // this process has compared its table with the index
  bool raised = false;          // this process has written a bound
  bool writing = false;         // the index's record is being written
  std::uint64_t new_epoch = 0;  // not 0: to be taken, with the bound below; not stored yet
  std::uint64_t new_bound = 0;
  bool epoch_written = false;  // lease and index have it
  bool repair = false;         // and index and table are to be compared
  bool index_older = false;    // the resync path must begin; not stored yet
  core::Time raised_at{0}, retry_at{0};

  /// An operation waits for the bound to be raised.
  bool BeyondBound() const { return highest > bound; }
  bool Unconfirmed() const { return bound != stored_bound; }
  /// The index was looked at, and nothing is left to do about what was found.
  bool Settled() const { return judged && new_epoch == 0 && !index_older; }
};

/// A comparison that must be made, because somebody else has written into the index.
struct RepairState {
  std::string reason;      // empty: none
  core::Time begin_at{0};  // late requests of the former owner have landed by then
  std::int64_t since = 0;  // TimestampTz
};

/// The backfill of a sync: pages read, and how far they are acknowledged.
struct BackfillState {
  bool running = false;
  std::string cursor;  // packed key of the last row read; empty: from the start
  bool end_reached = false;
  struct Page {
    std::uint64_t number;
    std::string last_key;
    std::uint64_t rows, documents;
  };
  std::deque<Page> pages;  // read, not acknowledged
  std::uint64_t last_page = 0;
  std::string acknowledged;  // packed key of the last acknowledged row
  std::uint64_t rows = 0, total = 0;
  bool dirty = false;  // progress not yet stored
  core::Time stored_at{0}, rate_at{0}, hold_until{0};
  std::uint64_t rate_rows = 0, rate_millis = 0;
};

/// The resync path: see rebuild/resync.h.
struct ResyncState {
  enum class Step { kNone, kDrain, kRefresh, kOpen, kWalk, kSettle, kClose };
  Step step = Step::kNone;
  std::uint64_t version = 0;  // V: documents that are older go
  std::uint64_t walk = 0;     // number of the running walk
  bool request_active = false;
  std::string pit, search_after;
  std::size_t hits_per_page = 1000;  // fewer when they do not fit into an answer
  core::Time walk_started{0};
  core::Time retry_at{0};
  bool walk_done_once = false;   // the backfill has begun
  bool ended = false;            // the final walk is over; not yet stored
  std::uint64_t generation = 0;  // answers to requests of an older one are ignored
};

/// So many documents that all others may be added.
inline constexpr std::int64_t kAnyNumber = INT64_MAX / 2;

/// A generation that is being built: see rebuild.h.
struct RebuildState {
  enum class Step {
    kPrepare,   // the refresh interval is asked for …
    kRemember,  // … to be stored …
    kRelax,     // … before it is turned off
    kFill,
    kRestore,
    kDrain,  // the live generation is held
    kRefresh,
    kCount,
    kSwitch,
    kSwitched,
    kDone
  };
  Step step = Step::kPrepare;
  std::int32_t builds = 0;  // the sync that it is for; 0: this is the live generation
  std::string reason;
  bool fresh = false;           // made by this process, and nothing was read for it yet
  bool asking = false;          // a request is under way
  bool waits = false;           // somebody had rows that change hands: it may take long
  std::uint64_t caught_up = 0;  // full scan, begun after the backfill's end, that must be settled
  std::uint64_t held_scan = 0;  // the live generation's settled scan when it was held
  std::int64_t fewest = 0, most = 0;  // documents that must, and may, be in the index
  std::string restore_settings;
  core::Time retry_at{0}, hold_until{0};
};

/// A rebuild that is to begin; no reason: none.
struct WantedRebuild {
  std::string reason;
  bool outdated = false, frozen = false;  // as below
};

/// What a live generation knows of its rebuilds.
struct LiveState {
  WantedRebuild wanted;
  int last_generation = 0;
  std::int64_t outdated_since = 0;  // TimestampTz; not 0: it does not show what the table holds
  bool frozen = false;              // nothing is delivered to it any more
  int failures = 0;                 // of rebuilds, in a row
  std::string trouble;              // why the last one failed
};

/// Deletes that found nothing. Such a delete may have gone into an index that was just deleted: it
/// is settled only when the index's UUID has been compared by a request that was sent after it.
struct UnconfirmedState {
  std::vector<core::Finished> waiting, checking, confirmed;
  std::size_t size() const { return waiting.size() + checking.size() + confirmed.size(); }
  bool empty() const { return size() == 0; }
};

/// Parked keys of a sync (polyglot.parked_key).
struct ParkedState {
  ParkedCount count;                       // exact at load and at the end of each drain
  bool draining = false, at_end = false;   // keys are being read again; all of them were loaded
  std::optional<core::PendingKey> cursor;  // last key loaded
  std::uint64_t last_probe = 0;            // ticket number
  bool judged = false, refill = false;     // see refill.h; they are left to the next generation
};

struct SyncRuntime {
  std::int32_t id = 0;
  std::int32_t instance = 0;      // of the extension
  std::uint64_t incarnation = 0;  // answers to what an earlier one asked are ignored
  std::string name, alias, fingerprint;
  std::string mapping, settings;      // JSON texts for a new index
  std::string confined_to;            // server option confine: what names of indexes begin with
  std::string failure, failure_hint;  // found outside a transaction, not yet stored
  Oid source = InvalidOid, owner = InvalidOid;
  bool managed = true, paused = false, failed = false, replace_index = false;
  bool adopt = false;                     // adopt_sync: whoever has written into the index
  bool blocked = false, probing = false;  // no writes now; some keys are tried
  bool away = false;                      // the server has not answered for a while
  bool on_trial = false;                  // see Channel::on_trial; and the index is ready
  std::uint64_t epoch = 1;
  std::vector<core::CapturedColumn> key_columns;
  std::int16_t routing_att = 0;

  std::unique_ptr<RowReader> reader;
  Channel* channel = nullptr;
  core::PendingKeys keys;
  IndexState index;
  LeaseState lease;
  ClaimState claim;
  VersionState versions;
  RepairState repair;
  BackfillState backfill;
  core::RowRate backfill_rate;  // as its owner wants it; live changes do not count
  ResyncState resync;
  ParkedState parked;
  UnconfirmedState unconfirmed;
  std::shared_ptr<VerificationState> verification;  // verification.h
  RebuildState rebuild;
  LiveState live;
  bool awake = false;            // stands in WorkerContext::awake
  bool held = false;             // nothing is sent for a moment: the alias is about to move
  core::Time read_at{0};         // somebody is at work on the table: it is not read before
  core::Time locked_since{0};    // the same, since when; 0: nobody
  bool locked = false;           // for longer than a hiccup
  core::Time letters_at{0};      // somebody has one of its dead letters: outcomes wait; 0: nobody
  core::Time error_store_at{0};  // the last error is not stored before
  std::int64_t error_stored{0};  // the time of the one that is
  core::Time store_at{0};        // somebody has its row of sync_state: nothing is stored before

  bool has_start = false;  // events that `start` sees were settled before this worker began
  core::Snapshot start;
  std::int64_t counters_since = 0;  // TimestampTz of the last reset_counters
  core::SyncPosition position;      // acknowledged snapshot and counters, as saved
  std::uint64_t settled_scan = 0;   // highest settled full scan
  std::map<std::uint64_t, std::int64_t> oldest_by_scan;  // scan → oldest unsettled capture time
  bool may_have_dead_letters = false;
  core::Time blocked_until{0};
  std::string departed = "{}";     // tables that were seen to have left the source's tree
  std::string resync_wanted;       // why; V is drawn when the index is ready, events before it go
  std::uint64_t resync_scan = 0;   // not 0: it is stored nowhere, so the position stays before this
  std::int64_t lagging_since = 0;  // capture time of the oldest event that was dropped
  std::string dropped;             // what status says of it until the index is in step again
  struct {
    std::uint64_t answered = 0, stale = 0;
    bool high = false;
  } stale_share;                      // of the last 1,000 items
  std::string why;                    // it is blocked, or its index cannot be used, while it is so
  std::optional<std::string> notice;  // as published
  std::optional<std::string> trouble;
  SyncSlot* slot = nullptr;
  std::string last_state;   // for one log line per change of state
  bool has_company = true;  // other syncs have the same worker; looked at once a second

  /// Capture time of the oldest event of a scan; now for scan 0.
  std::int64_t CapturedAt(std::uint64_t scan) const {
    const auto it = oldest_by_scan.find(scan);
    return it != oldest_by_scan.end() ? it->second : GetCurrentTimestamp();
  }
  /// Do changes go to the parked table instead of the index?
  bool Parks() const { return !Sends() || Trying() || Slow(); }
  /// Its index takes so long that what waits for it would fill memory that others need. Without
  /// others its changes wait in the queue, where they cost nothing.
  bool Slow() const;
  /// May operations of this sync be made? Of one that is blocked now and then, as a probe.
  bool Sends() const {
    return !paused && !failed && (!away || on_trial) && !index.missing && !live.frozen && !locked &&
           letters_at == core::Time{0} && (!blocked || probing);
  }
  /// If operations are made: only a few, to see whether they are taken.
  bool Trying() const { return blocked || away; }
  /// Nothing but live changes is left to do: no backfill, no resync, and searches see the index.
  bool Streaming() const {
    return resync_wanted.empty() && !backfill.running && resync.step == ResyncState::Step::kNone &&
           !index.alias_pending && versions.Settled() && live.outdated_since == 0;
  }
  bool IsBuilding() const { return rebuild.builds != 0; }
  /// As whom it is known in the index and outside of the worker.
  std::int32_t PublicId() const { return IsBuilding() ? rebuild.builds : id; }
};

}  // namespace polyglot::pg
