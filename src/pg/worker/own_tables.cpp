#include "pg/worker/own_tables.h"

#include <array>
#include <string>

#include "pg/catalog/own_relations.h"
#include "pg/catalog/queue_tables.h"
#include "pg/clock.h"
#include "pg/worker/search/lease_keeper.h"
#include "pg/worker/status/status.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kTry{100'000}, kSaidAfter{3'000'000}, kSaidAgain{2'000'000};

struct OwnTable {
  const char* name;
  LOCKMODE mode;
  bool kept;  // false: so rarely needed that it is enough to have been free a moment ago
  Oid oid;
};

// A backend has sixteen places for locks that cost next to nothing: those of most transactions are
// kept, the others are not.
std::array<OwnTable, 11> tables = {{
    {"sync_state", RowExclusiveLock, true, InvalidOid},
    {"parked_key", RowExclusiveLock, true, InvalidOid},
    {"dead_letter", RowExclusiveLock, true, InvalidOid},
    {"rebuild_request", RowExclusiveLock, true, InvalidOid},
    {"sync_definition", AccessShareLock, true, InvalidOid},
    {"queue", AccessShareLock, false, InvalidOid},
    {"dropped_index", RowExclusiveLock, false, InvalidOid},
    {"verification", RowExclusiveLock, false, InvalidOid},
    {"difference", RowExclusiveLock, false, InvalidOid},
    {"reading", RowExclusiveLock, false, InvalidOid},
    {"set_aside", RowExclusiveLock, false, InvalidOid},
}};
bool known = false;
WorkerContext* worker = nullptr;

void FindTables() {
  if (known) return;
  known = true;
  for (OwnTable& table : tables) table.oid = OurRelation(table.name);
}

bool TryLock(Oid oid, LOCKMODE mode, bool kept) {
  if (!OidIsValid(oid)) return true;
  if (!ConditionalLockRelationOid(oid, mode)) return false;
  if (!kept) UnlockRelationOid(oid, mode);
  return true;
}

// The table that somebody has; InvalidOid: all are free.
Oid TryTables() {
  FindTables();
  for (const OwnTable& table : tables)
    if (!TryLock(table.oid, table.mode, table.kept)) return table.oid;
  if (worker == nullptr || worker->reader == nullptr) return InvalidOid;
  for (int i = 0; i < 2; ++i)
    if (!TryLock(worker->reader->oid(i), AccessShareLock, false)) return worker->reader->oid(i);
  return InvalidOid;
}

// Of the catalogs alone.
std::string WhoHas(Oid table) {
  std::string text;
  StartTransactionCommand();
  SPI_connect();
  PushActiveSnapshot(GetTransactionSnapshot());
  const std::string holder = QueueHolder(table, InvalidOid);
  const char* name = get_rel_name(table);
  if (name != nullptr)
    text = "the worker waits for a lock of table polyglot." + std::string(name) +
           (holder.empty() ? "" : ": " + holder + " holds it");
  PopActiveSnapshot();
  SPI_finish();
  CommitTransactionCommand();
  return text;
}

class Patience {
 public:
  void Wait(Oid table) {
    const core::Time now = MonotonicNow();
    if (begun_ == core::Time{0}) say_at_ = (begun_ = now) + kSaidAfter;
    if (now >= say_at_) Say(table, now);
    KeepLeases(worker, now);
    for (auto& channel : worker->channels) channel->PumpUrgent(now);
    CHECK_FOR_INTERRUPTS();
    // Who wakes an armed worker has left word elsewhere, see Worker::Called.
    const int events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
                                 static_cast<long>(kTry.count() / 1000), wait_event_);
    if ((events & WL_LATCH_SET) != 0) ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  }
  void End() {
    if (begun_ != core::Time{0}) worker->waits_for.clear();
  }

 private:
  void Say(Oid table, core::Time now) {
    const bool first = worker->waits_for.empty();
    worker->waits_for = WhoHas(table);
    if (first) ereport(LOG, (errmsg("polyglot_sync: %s", worker->waits_for.c_str())));
    PublishWaiting(worker);
    say_at_ = now + kSaidAgain;
  }

  core::Time begun_{0}, say_at_{0};
  uint32 wait_event_ = NamedWaitEvent("PolyglotSyncOwnTable");
};

}  // namespace

void WatchOwnTables(WorkerContext* context) { worker = context; }

void ForgetOwnTables() { known = false; }

void LockOwnTables() {
  Oid refused = TryTables();
  if (!OidIsValid(refused)) return;
  Patience patience;
  while (OidIsValid(refused)) {
    CommitTransactionCommand();
    patience.Wait(refused);
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    refused = TryTables();
  }
  patience.End();
}

}  // namespace polyglot::pg
