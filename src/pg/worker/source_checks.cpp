#include "pg/worker/source_checks.h"

#include <algorithm>
#include <string>

#include "pg/capture/trigger_install.h"
#include "pg/catalog/own_relations.h"
#include "pg/catalog/sync_state.h"
#include "pg/definition/published_source.h"
#include "pg/document/read_plan.h"
#include "pg/encoding.h"
#include "pg/shared/sync_slots.h"
#include "pg/source/source_tree.h"
#include "pg/source/tree_lock.h"
#include "pg/worker/rebuild/rebuild.h"
#include "pg/worker/state/generations.h"
#include "pg/worker/state/stored_state.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kOwnerInterval{1'000'000};

bool IsLive(const SyncRuntime& sync) {
  return !sync.failed && !sync.IsBuilding() && OidIsValid(sync.source) &&
         SearchSysCacheExists1(RELOID, ObjectIdGetDatum(sync.source));
}

// ---- triggers ---------------------------------------------------------------------------------

// Installs what is missing without waiting. false: not now. Who writes to one of the tables for
// hours, and who waits for him, must not find the worker between them.
bool TryInstallTriggers(Oid source, PgError* error) {
  return InSubtransaction(
      [&] {
        const int level = NewGUCNestLevel();
        BePatientFor(kLockPatience);
        if (!TryLockTreeForTriggers(source))
          ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
                          errmsg("capture triggers cannot be repaired now: a table is locked")));
        (void)InstallCaptureTriggers(source);
        AtEOXact_GUC(false, level);
      },
      error);
}

bool RepairTriggers(WorkerContext* context, SyncRuntime* sync) {
  PgError error;
  bool repaired = false;
  InTransaction([&] {
    if (!LockState(sync)) return;
    repaired = TryInstallTriggers(sync->source, &error);
    if (repaired)
      BringInStep(context, sync, "capture triggers had been disabled or changed");
    else
      SetSyncError(sync->slot, ReadableInUtf8(error.message).c_str());
    StartWantedRebuilds(context);
  });
  return repaired;
}

// ---- tables that have left the tree -----------------------------------------------------------

// DETACH PARTITION … CONCURRENTLY takes its table out of the tree first, and may wait for hours, or
// be cancelled, before it ends. Only our triggers tell where the table has been.
struct Departure {
  Oid source, relation;
};

Departure* FindDepartures(int* count) {
  Departure* found = nullptr;
  *count = 0;
  ListCell *source, *relation;
  List *sources, *relations;
  ListCaptured(&sources, &relations);
  found = static_cast<Departure*>(palloc(sizeof(Departure) * (list_length(sources) + 1)));
  forboth(source, sources, relation,
          relations) if (!IsInTree(lfirst_oid(relation), lfirst_oid(source)))
      found[(*count)++] = {lfirst_oid(source), lfirst_oid(relation)};
  return found;
}

// As an array of PostgreSQL.
std::string ArrayOf(const Departure* departures, int count, Oid source) {
  std::string array;
  for (int i = 0; i < count; i++)
    if (departures[i].source == source)
      array += (array.empty() ? "" : ",") + std::to_string(departures[i].relation);
  return "{" + array + "}";
}

// Each is noticed once, whatever worker comes later.
bool StoreDeparted(WorkerContext* context, SyncRuntime* sync, const std::string& departed) {
  if (!LockState(sync)) return false;
  if (StoreDepartures(sync->id, departed))
    BringInStep(context, sync, "a table has left the tree of its source");
  sync->departed = departed;
  return true;
}

bool CheckDepartures(WorkerContext* context) {
  bool done = true;
  int count;
  const Departure* departures = FindDepartures(&count);
  for (auto& [id, sync] : context->syncs) {
    if (!IsLive(*sync)) continue;
    const std::string departed = ArrayOf(departures, count, sync->source);
    if (departed != sync->departed) done &= StoreDeparted(context, sync.get(), departed);
  }
  return done;
}

// ---- owners -----------------------------------------------------------------------------------

// The documents of published syncs belong to the owner of the server.
bool FollowOwner(const WorkerContext& context) {
  PgError error;
  return InSubtransaction(
      [&] {
        const int level = NewGUCNestLevel();
        BePatientFor(kLockPatience);
        FollowServerOwner(context.server);
        AtEOXact_GUC(false, level);
      },
      &error);
}

// No event trigger hears of REASSIGN OWNED. What it changes is invalidated like everything else.
bool owners_may_have_changed = true, server_may_have_changed = true;

extern "C" void polyglot_note_relation(Datum, Oid) { owners_may_have_changed = true; }
extern "C" void polyglot_note_server(Datum, int, uint32) {
  owners_may_have_changed = server_may_have_changed = true;
}

bool OwnersChanged(const WorkerContext& context) {
  return std::any_of(context.syncs.begin(), context.syncs.end(), [](const auto& entry) {
    const SyncRuntime& sync = *entry.second;
    return IsLive(sync) && sync.owner != SourceOwner(sync.source);
  });
}

}  // namespace

void WatchOwners() {
  CacheRegisterRelcacheCallback(polyglot_note_relation, 0);
  CacheRegisterSyscacheCallback(FOREIGNSERVEROID, polyglot_note_server, 0);
}

void CheckOwners(WorkerContext* context, core::Time now) {
  core::Time& checked_at = context->moments.owners_checked;
  if (!owners_may_have_changed || now - checked_at < kOwnerInterval) return;
  checked_at = now;
  owners_may_have_changed = false;
  InTransaction([&] {
    if (!ExtensionExists() || GetForeignServerExtended(context->server, FSV_MISSING_OK) == nullptr)
      return;
    if (server_may_have_changed) server_may_have_changed = !FollowOwner(*context);
    owners_may_have_changed |= server_may_have_changed;
    if (OwnersChanged(*context)) context->config_generation = 0;  // definitions are read again
  });
}

bool CheckSources(WorkerContext* context) {
  std::vector<SyncRuntime*> broken;
  bool done = true;
  InTransaction([&] {
    if (!ExtensionExists()) return;
    for (auto& [id, sync] : context->syncs)
      if (IsLive(*sync) && !CaptureTriggersIntact(sync->source)) broken.push_back(sync.get());
    done &= CheckDepartures(context);
    StartWantedRebuilds(context);
    ListCell* cell;
    foreach (cell, UnusedCaptureSources()) DropUnusedCaptureTriggers(lfirst_oid(cell));
  });
  for (SyncRuntime* sync : broken) done &= RepairTriggers(context, sync);
  return done;
}

}  // namespace polyglot::pg
