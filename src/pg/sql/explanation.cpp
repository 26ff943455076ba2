// Facts of a sync, collected for core/status/sync_problem.h.

#include "core/status/inspection.h"
#include "core/status/sync_problem.h"
#include "pg/catalog/instance.h"
#include "pg/encoding.h"
#include "pg/guard.h"
#include "pg/shared/worker_slots.h"
#include "pg/sql/live_status.h"

namespace polyglot::pg {

namespace {

// Plain texts in the encoding of the database: collecting them may fail.
struct Texts {
  const char *state, *trouble, *notice, *notice_hint;
  NoWorker no_worker;
  bool standby;
  int64 silent, lag;
};

int64 Silence(const LiveStatus& live) {
  if (!live.running || live.published_at == 0) return 0;
  return Max(GetCurrentTimestamp() - live.published_at, 0);
}

Texts TextsOf(const SyncRow* sync, const LiveStatus& live) {
  Texts texts{};
  texts.state = StateOf(sync, live);
  texts.standby = RecoveryInProgress();
  texts.trouble = ReadableInServer(live.trouble);
  texts.notice = ReadableInServer(live.notice);
  texts.notice_hint = ReadableInServer(live.notice_hint);
  if (!live.running && !texts.standby && sync->has_state) texts.no_worker = WhyNoWorker(sync);
  texts.silent = Silence(live);
  const TimestampTz since = WaitingSince(sync, live);
  texts.lag = since == 0 || since == DT_NOBEGIN ? -1 : Max(GetCurrentTimestamp() - since, 0);
  return texts;
}

std::string Text(const char* text) { return text == nullptr ? std::string() : std::string(text); }

core::SyncFacts FactsOf(const SyncRow* sync, const LiveStatus& live, const Texts& texts) {
  core::SyncFacts facts;
  facts.sync = sync->name;
  facts.server = sync->server_name;
  facts.state = texts.state;
  facts.restored = !sync->has_state;
  facts.copied = IsCopied(sync);
  facts.failure = Text(sync->failed_reason);
  facts.failure_hint = Text(sync->failed_hint);
  facts.no_worker = Text(texts.no_worker.text);
  facts.no_worker_hint = Text(texts.no_worker.hint);
  facts.silent = texts.silent;
  facts.worker_pid = live.pid;
  facts.trouble = texts.trouble;
  facts.denied = live.denied;
  facts.no_index = live.no_index;
  facts.notice = texts.notice;
  facts.notice_hint = texts.notice_hint;
  const Backfill backfill = BackfillOf(sync, live);
  facts.backfill_rows = static_cast<std::uint64_t>(backfill.rows);
  facts.backfill_total = static_cast<std::uint64_t>(backfill.total);
  facts.eta = backfill.eta;
  facts.pending = Pending(live);
  facts.lag = texts.lag;
  facts.queue_bytes = live.queue_bytes;
  facts.max_queue_bytes = live.max_queue_bytes;
  return facts;
}

const char* Copied(const std::string& text) {
  return text.empty() ? nullptr : Call([&] { return pstrdup(text.c_str()); });
}

Explanation Explain(const SyncRow* sync, const LiveStatus& live,
                    core::SyncProblem (*what)(const core::SyncFacts&)) {
  const Texts texts = TextsOf(sync, live);
  return Enter([&] {
    const core::SyncProblem problem = what(FactsOf(sync, live, texts));
    return Explanation{Copied(problem.text), Copied(problem.hint)};
  });
}

WorkerSlot* SlotOf(const SyncRow* sync) {
  return OidIsValid(sync->server) ? FindWorkerByServer(MyDatabaseId, sync->server) : nullptr;
}

}  // namespace

Explanation ProblemOf(const SyncRow* sync, const LiveStatus& live) {
  return Explain(sync, live, core::ProblemOf);
}

Explanation NotInStep(const SyncRow* sync, const LiveStatus& live) {
  return Explain(sync, live, core::NotInStep);
}

const char* SilenceOf(const SyncRow* sync, const LiveStatus& live) {
  const Texts texts = TextsOf(sync, live);
  return Enter([&]() -> const char* {
    const core::SyncFacts facts = FactsOf(sync, live, texts);
    if (!core::IsSilent(facts)) return nullptr;
    return Copied("the worker has not answered for " + core::AgeText(facts.silent) +
                  ": pg_stat_activity tells what it waits for");
  });
}

bool WaitsInVain(const SyncRow* sync, const LiveStatus& live) {
  const Texts texts = TextsOf(sync, live);
  if (texts.no_worker.text != nullptr && !texts.no_worker.comes) return true;
  return Enter([&] { return core::WaitsInVain(FactsOf(sync, live, texts)); });
}

NoWorker WhyNoWorker(const SyncRow* sync) {
  SharedState* shared = Shared();
  if (!shared)
    return {"polyglot_sync is not in shared_preload_libraries: nothing is delivered",
            "Add it and restart PostgreSQL.", false};
  if (!WorkersEnabled())
    return {"the workers of this database are stopped", "Call polyglot.start_workers().", false};
  // Registered while preloading, and never seen: there was no room for it either.
  const bool no_launcher =
      shared->launcher_started_at == 0 && GetCurrentTimestamp() - PgStartTime > 5 * USECS_PER_SEC;
  if (shared->processes_refused || no_launcher)
    return {"no background worker slot is free",
            psprintf("Raise max_worker_processes (now %d) and restart PostgreSQL: the server log "
                     "tells how many polyglot_sync needs.",
                     max_worker_processes),
            false};
  if (shared->launcher_pid == 0)
    return {"the launcher of polyglot_sync does not run",
            "It is started again within seconds: the server log tells why, if not.", true};
  const WorkerSlot* slot = SlotOf(sync);
  if (slot == nullptr && shared->workers_refused)
    return {psprintf("more than %d workers would be needed", kMaxWorkers),
            "Use fewer servers in the databases of this cluster.", false};
  if (slot != nullptr && slot->next_start > GetCurrentTimestamp())
    return {"the worker has ended, and is started again within a minute",
            "The server log tells why it ended.", true};
  return {"no worker runs yet: it is being started", "If that lasts, the server log tells why.",
          true};
}

bool IsCopied(const SyncRow* sync) {
  return sync->has_state &&
         (static_cast<uint64>(sync->system_identifier) != GetSystemIdentifier() ||
          sync->database != MyDatabaseId);
}

void CheckIsOurs(const SyncRow* sync, const char* verb) {
  if (sync->has_state && !IsCopied(sync)) return;
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("cannot %s sync \"%s\": %s", verb, sync->name,
                         sync->has_state ? "its index belongs to another database"
                                         : "it was restored from a dump and is not running"),
                  errhint("Call polyglot.adopt_sync, or drop it with polyglot.drop_sync.")));
}

}  // namespace polyglot::pg
