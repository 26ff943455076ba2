#include "pg/worker/setup/configuration.h"

#include <algorithm>
#include <utility>

#include "pg/catalog/dead_letters.h"
#include "pg/catalog/instance.h"
#include "pg/catalog/own_relations.h"
#include "pg/catalog/parked_keys.h"
#include "pg/catalog/sync_row.h"
#include "pg/catalog/sync_state.h"
#include "pg/clock.h"
#include "pg/document/key_codec.h"
#include "pg/encoding.h"
#include "pg/server/server_connection.h"
#include "pg/server/server_options.h"
#include "pg/shared/sync_slots.h"
#include "pg/shared/worker_slots.h"
#include "pg/worker/search/epoch_keeper.h"
#include "pg/worker/search/index_drops.h"
#include "pg/worker/search/index_keeper.h"
#include "pg/worker/search/lease_keeper.h"
#include "pg/worker/state/counters.h"
#include "pg/worker/state/fill.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/state/repair.h"
#include "pg/worker/state/withdraw.h"
#include "pg/worker/verify/verification.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kReloadInterval{1'000'000};

std::string Text(const char* text) { return text == nullptr ? std::string() : std::string(text); }

core::DeliveryLimits LimitsOf(const ServerOptions& options) {
  core::DeliveryLimits limits;
  limits.max_in_flight = static_cast<std::uint32_t>(options.max_in_flight);
  limits.batch_bytes = static_cast<std::size_t>(options.batch_bytes);
  limits.batch_operations = static_cast<std::uint32_t>(options.batch_operations);
  limits.linger = core::Time{options.linger_us};
  return limits;
}

net::ConnectionConfig ConfigOf(const WorkerContext& context, const ServerOptions& options,
                               const Credentials& credentials) {
  const std::string opaque_id =
      "polyglot_sync/" + Text(get_database_name(MyDatabaseId)) + "/" + context.server_name;
  net::ConnectionConfig config = MakeConnectionConfig(options, credentials, opaque_id.c_str());
  // Room for slow indexes, and for index checks beside a full pipeline.
  config.max_connections += core::kMostApart + core::kMostAbandoned + 2;
  return config;
}

// Once per change, not at each of the many times at which secret files are read again.
void ReportTrouble(const WorkerContext& context, Channel* channel, const std::string& trouble) {
  if (channel->trouble == trouble) return;
  channel->trouble = trouble;
  if (!trouble.empty())
    ereport(LOG, (errmsg("polyglot_sync: server \"%s\": %s", context.server_name.c_str(),
                         trouble.c_str())));
}

// Nobody knows yet where the new addresses lead to, and whose the indexes there are.
void MeetAnew(WorkerContext* context, Channel* channel) {
  CheckBeforeNextWrite(context, channel);
  for (auto& [id, sync] : context->syncs)
    if (sync->channel == channel) sync->lease.held = sync->lease.was_held = false;
}

// One channel for each mapping: bad credentials concern only the syncs that use them.
Channel* ChannelFor(WorkerContext* context, const ServerOptions& options, Oid owner) {
  const Credentials credentials = LoadCredentials(context->server, owner);
  net::ConnectionConfig config = ConfigOf(*context, options, credentials);
  for (auto& channel : context->channels) {
    if (channel->user() != credentials.user) continue;
    if (channel->configured_at < context->configuring_at) {
      ReportTrouble(*context, channel.get(), config.unusable);
      if (channel->client().Reconfigure(std::move(config))) MeetAnew(context, channel.get());
      channel->delivery().SetLimits(LimitsOf(options));
      channel->configured_at = context->configuring_at;
    }
    return channel.get();
  }
  const auto seed = static_cast<std::uint64_t>(GetCurrentTimestamp()) ^
                    static_cast<std::uint64_t>(MyProcPid) << 32;
  const std::string trouble = config.unusable;
  context->channels.push_back(
      std::make_unique<Channel>(credentials.user, std::move(config), LimitsOf(options), seed));
  ReportTrouble(*context, context->channels.back().get(), trouble);
  context->channels.back()->configured_at = context->configuring_at;
  context->WatchChannel(context->channels.back().get());
  return context->channels.back().get();
}

// The owner, or his mapping, may be another now: what waits moves along, and what is in flight
// follows if it has no outcome there, since nobody looks after it with the old credentials.
void UseChannel(WorkerContext* context, SyncRuntime* sync, Channel* channel) {
  if (sync->channel == channel) return;
  Channel* before = sync->channel;
  sync->channel = channel;
  sync->index.step = IndexStep::kUnknown;
  channel->delivery().HoldSync(sync->id, true);
  if (before == nullptr) return;
  for (core::Operation& op : before->delivery().Withdraw(sync->id, UINT64_MAX))
    TakeBack(context, sync, std::move(op));
  before->delivery().Forget(sync->id);
}

bool OptionIsTrue(char* options, const char* name) {
  if (options == nullptr) return false;
  Jsonb* parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(options)));
  JsonbValue value;
  return getKeyJsonValueFromContainer(&parsed->root, name, static_cast<int>(strlen(name)),
                                      &value) != nullptr &&
         value.type == jbvBool && value.val.boolean;
}

std::string TypeOf(Oid source, AttrNumber column) {
  Oid type = InvalidOid, collation;
  int32 typmod = -1;
  if (column != InvalidAttrNumber)
    get_atttypetypmodcoll(source, column, &type, &typmod, &collation);
  return std::to_string(type) + "/" + std::to_string(StampOf(type)) + "/" + std::to_string(typmod);
}

// Everything that decides what documents look like and which keys name them.
std::string FingerprintOf(const SyncRow& row) {
  std::string print = std::to_string(row.source) + "/" + std::to_string(row.owner);
  for (int i = 0; i < row.key_count; i++)
    print += "\x1fk" + Text(row.key_name[i]) + "/" + TypeOf(row.source, row.key[i]);
  for (int i = 0; i < row.column_count; i++)
    print +=
        "\x1f"
        "c" +
        Text(row.columns[i]);
  for (const char* part : {row.filter, row.document, row.routing, row.mapping, row.settings})
    print += part == nullptr ? std::string("\x1fn") : "\x1ft" + std::string(part);
  return print;
}

void LoadMapping(WorkerContext* context, const SyncRow& row, SyncRuntime* sync) {
  char* mapping = nullptr;
  PgError error;
  if (InSubtransaction(
          [&] {
            mapping = DeriveMapping(row.source, row.column_count, row.columns, row.mapping,
                                    row.document != nullptr);
          },
          &error))
    sync->mapping = Text(mapping);
  else
    FailSync(context, sync, error);
  sync->settings = row.settings == nullptr ? std::string() : ReadableInUtf8(row.settings);
}

void SetDefinition(WorkerContext* context, const SyncRow& row, SyncRuntime* sync) {
  const std::string fingerprint = FingerprintOf(row);
  sync->name = row.name;
  sync->alias = row.index;
  if (sync->reader) sync->reader->Configure(row.options);
  // Until there is an index its mapping follows the table, of which the fingerprint does not tell.
  if (fingerprint == sync->fingerprint && sync->index.physical != nullptr) return;
  sync->fingerprint = fingerprint;
  sync->source = row.source;
  context->SourceChanged();
  sync->owner = row.owner;
  sync->managed = row.manage_index;
  sync->routing_att = row.routing_att;
  sync->replace_index = OptionIsTrue(row.options, "replace_index");
  sync->key_columns.clear();
  for (int i = 0; i < row.key_count; i++)
    sync->key_columns.push_back({row.key[i], StampOf(get_atttype(row.source, row.key[i]))});
  sync->reader = std::make_unique<RowReader>(row);
  LoadMapping(context, row, sync);
}

void SetIndex(const SyncRow& row, SyncRuntime* sync) {
  IndexState& index = sync->index;
  if (row.physical_index != nullptr && (row.builds == 0 || row.index_uuid != nullptr))
    index.physical = std::make_shared<const std::string>(row.physical_index);
  if (row.builds != 0) index.planned = Text(row.physical_index);
  index.uuid = Text(row.index_uuid);
  index.generation = row.generation;
  index.alias_pending = row.alias_pending;
}

void SetProgress(SyncRuntime* sync, const SyncRow& row) {
  BackfillState& backfill = sync->backfill;
  if (row.backfill_key != nullptr)
    backfill.acknowledged.assign(row.backfill_key,
                                 static_cast<std::size_t>(row.backfill_key_length));
  backfill.rows = static_cast<std::uint64_t>(row.backfill_rows);
  backfill.total = static_cast<std::uint64_t>(row.backfill_total);
  if (strcmp(row.phase, "backfill") == 0) StartBackfill(sync);
  if (strcmp(row.phase, "resync") == 0 && row.resync_version != 0)
    ContinueResync(sync, static_cast<std::uint64_t>(row.resync_version));
}

void SetGeneration(SyncRuntime* sync, const SyncRow& row) {
  sync->rebuild.builds = row.builds;
  sync->rebuild.reason = Text(row.rebuild_reason);
  sync->rebuild.fewest = row.fewest_documents;
  sync->rebuild.most = row.most_documents;
  sync->rebuild.restore_settings = Text(row.restore_settings);
  if (row.restore_settings != nullptr) sync->rebuild.step = RebuildState::Step::kFill;
  sync->live.last_generation = row.last_generation;
  sync->live.outdated_since = sync->lagging_since = row.outdated_since;
  sync->live.frozen = row.frozen;
}

bool IsCopy(const SyncRow& row) {
  return static_cast<uint64>(row.system_identifier) != GetSystemIdentifier() ||
         row.database != MyDatabaseId;
}

void TakeSlot(const SyncRow& row, SyncRuntime* sync) {
  if (sync->slot == nullptr && row.builds == 0)
    sync->slot = AcquireSyncSlot(MyDatabaseId, row.id, row.created_at);
}

void ReportNoSlot(const SyncRow& row) {
  ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" is not shown in polyglot.status", row.name),
                errhint("Raise polyglot_sync.max_syncs and restart the server.")));
  // Databases that are gone may still have some.
  pg_atomic_write_u32(&Shared()->probe_all, 1);
  WakeLauncher();
}

SyncRuntime* AddSync(WorkerContext* context, const SyncRow& row) {
  auto owned = std::make_unique<SyncRuntime>();
  SyncRuntime* sync = owned.get();
  sync->id = row.id;
  sync->incarnation = NewIncarnation();
  sync->instance = context->instance;
  sync->epoch = static_cast<std::uint64_t>(row.epoch);
  TakeSlot(row, sync);
  if (sync->slot == nullptr && row.builds == 0) ReportNoSlot(row);
  SetIndex(row, sync);
  SetGeneration(sync, row);
  if (!IsCopy(row))
    StartVersions(sync, static_cast<std::uint64_t>(row.version_bound),
                  static_cast<std::uint32_t>(row.timeline));
  SetProgress(sync, row);
  if (row.repair_reason != nullptr)
    ContinueRepair(*context, sync, row.repair_reason, row.repair_since);
  sync->parked.count = CountParked(row.id);
  sync->may_have_dead_letters = HasDeadLetters(row.id);
  return context->Insert(std::move(owned));
}

void ApplyRow(WorkerContext* context, const ServerOptions& options, const SyncRow& row) {
  SyncRuntime* sync = context->Find(row.id);
  if (sync == nullptr) sync = AddSync(context, row);
  TakeSlot(row, sync);
  sync->paused = row.paused;
  const bool was_failed = sync->failed;
  sync->failed = row.failed_reason != nullptr || !sync->failure.empty();
  if (was_failed && !sync->failed) {  // resumed: ask and judge again
    sync->index.step = IndexStep::kUnknown;
    sync->versions.judged = false;
    sync->lease.was_held = false;  // who took it from us may have gone: watched like any other
    sync->lease.watch.End();
    StartVersions(sync, static_cast<std::uint64_t>(row.version_bound),
                  static_cast<std::uint32_t>(row.timeline));
  }
  sync->adopt = row.adopt;
  sync->confined_to = options.confine ? options.index_prefix : "";
  SetDefinition(context, row, sync);
  ConfigureVerification(sync, row.options, row.created_at);
  ConfigureBackfill(sync, row.options);
  ResetCounters(sync, row.counters_since);
  if (IsCopy(row) && !sync->failed)
    FailSync(context, sync,
             "this database is a copy of the one that the sync was created in, or was upgraded",
             "To let this database write to the index, call polyglot.adopt_sync.");
  if (!sync->failed && !sync->alias.starts_with(sync->confined_to))
    FailSync(context, sync,
             ("index \"" + sync->alias + "\" does not begin with \"" + sync->confined_to +
              "\", as the server's option confine wants")
                 .c_str(),
             "Drop the sync and create it with another index, or take the option back.");
  UseChannel(context, sync, ChannelFor(context, options, row.owner));
  if (strcmp(row.phase, "resync") == 0 && row.resync_version == 0 && !sync->failed)
    WantResync(sync, row.resync_reason == nullptr ? "asked for" : row.resync_reason);
}

SyncRow** LoadGenerations(Oid server, int* count) {
  int live, building;
  SyncRow** syncs = LoadSyncs(server, &live);
  SyncRow** buildings = LoadBuildings(server, &building);
  auto** all = static_cast<SyncRow**>(palloc(sizeof(SyncRow*) * (live + building + 1)));
  std::copy_n(syncs, live, all);
  std::copy_n(buildings, building, all + live);
  *count = live + building;
  return all;
}

void RemoveSync(WorkerContext* context, std::int32_t id) {
  SyncRuntime* sync = context->Find(id);
  DropLease(context, *sync);
  if (!sync->IsBuilding()) {
    ReleaseSyncSlot(MyDatabaseId, id);
    ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" has ended", sync->name.c_str())));
  }
  ForgetSync(context, sync);
}

void RemoveMissing(WorkerContext* context, SyncRow** rows, int count) {
  std::set<std::int32_t> there;
  for (int i = 0; i < count; i++)
    if (rows[i]->has_state && rows[i]->source_exists) there.insert(rows[i]->id);
  std::vector<std::int32_t> gone;
  for (const auto& [id, sync] : context->syncs)
    if (!there.contains(id)) gone.push_back(id);
  for (std::int32_t id : gone) RemoveSync(context, id);
}

ServerOptions* LoadServer(WorkerContext* context) {
  ForeignServer* server = GetForeignServerExtended(context->server, FSV_MISSING_OK);
  if (server == nullptr) return nullptr;
  context->server_name = server->servername;
  ServerOptions* options = LoadServerOptions(context->server);
  context->request_timeout = core::Time{options->request_timeout_us};
  context->linger = core::Time{options->linger_us};
  context->max_queue_bytes = static_cast<std::uint64_t>(options->max_queue_bytes);
  return options;
}

void LoadSyncIds(WorkerContext* context) {
  SyncsOfDatabase syncs = LoadSyncsOfDatabase();
  if (!syncs.aliases.empty()) context->last_sync_number = syncs.last_number;
  context->syncs_of_database = std::move(syncs.aliases);
}

// Server or extension have gone, and the syncs with them.
void LeaveForGood(WorkerContext* context) {
  for (const auto& [id, sync] : context->syncs)
    if (!sync->IsBuilding()) ReleaseSyncSlot(MyDatabaseId, id);
  context->leave = true;
}

void Load(WorkerContext* context) {
  if (!ExtensionExists()) return LeaveForGood(context);
  if (!WorkersEnabled() || !context->slot->wanted) {
    context->leave = true;
    return;
  }
  ServerOptions* options = LoadServer(context);
  if (options == nullptr) return LeaveForGood(context);
  context->instance = InstanceNumber();
  LoadSyncIds(context);
  int count;
  SyncRow** rows = LoadGenerations(context->server, &count);
  RemoveMissing(context, rows, count);
  for (int i = 0; i < count; i++)
    if (rows[i]->has_state && rows[i]->source_exists) ApplyRow(context, *options, *rows[i]);
  LoadIndexDrops(context, [&](Oid owner) { return ChannelFor(context, *options, owner); });
}

// Nobody probes one that no sync uses any more: it stays as it is.
bool IsUsed(const WorkerContext& context, const Channel* channel) {
  return std::any_of(context.syncs.begin(), context.syncs.end(),
                     [channel](const auto& sync) { return sync.second->channel == channel; });
}

}  // namespace

void LoadConfiguration(WorkerContext* context) {
  context->configuring_at = MonotonicNow();
  InTransaction([&] { Load(context); });
  context->WakeAll();
}

void ForgetSync(WorkerContext* context, SyncRuntime* sync) {
  if (sync->channel != nullptr) {
    sync->channel->delivery().Withdraw(sync->id, UINT64_MAX);
    sync->channel->delivery().Forget(sync->id);
  }
  context->settlement.Forget(sync->id);
  context->Remove(sync->id);
}

std::uint64_t NewIncarnation() {
  static std::uint64_t last = 0;
  return ++last;
}

SyncRuntime* AddBuilding(WorkerContext* context, std::int32_t id, Channel* channel) {
  const SyncRow* row = LoadBuildingById(id);
  SyncRuntime* sync = AddSync(context, *row);
  sync->rebuild.fresh = true;
  SetDefinition(context, *row, sync);
  ConfigureBackfill(sync, row->options);
  UseChannel(context, sync, channel);
  return sync;
}

void ReloadCredentials(WorkerContext* context, core::Time now) {
  const bool due = std::any_of(
      context->channels.begin(), context->channels.end(), [context, now](const auto& channel) {
        return !channel->connected() && now >= channel->NextProbe(now) &&
               now - channel->configured_at >= kReloadInterval && IsUsed(*context, channel.get());
      });
  if (!due) return;
  context->configuring_at = now;
  InTransaction([&] {
    ServerOptions* options = LoadServer(context);
    if (options == nullptr) return;
    for (auto& [id, sync] : context->syncs)
      UseChannel(context, sync.get(), ChannelFor(context, *options, sync->owner));
  });
}

}  // namespace polyglot::pg
