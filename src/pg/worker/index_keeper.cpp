#include "pg/worker/index_keeper.h"

#include <algorithm>
#include <utility>

#include "core/error_text.h"
#include "core/index_body.h"
#include "core/json_writer.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kCheckInterval{10'000'000};
constexpr core::Time kRetry{1'000'000};
constexpr core::Time kBlockedRetry{30'000'000};

using Descriptions = std::vector<core::IndexDescription>;

std::string Encoded(const std::string& name) { return net::SearchClient::EncodePath(name); }

std::string PhysicalName(const SyncRuntime& sync, int generation) {
  char number[16];
  snprintf(number, sizeof number, "-%06d", generation);
  return sync.alias + number;
}

core::MetaPairs MetaOf(const SyncRuntime& sync) {
  return {{"system_identifier", std::to_string(GetSystemIdentifier())},
          {"database", std::to_string(MyDatabaseId)},
          {"sync", std::to_string(sync.id)},
          {"epoch", std::to_string(sync.epoch)}};
}

std::string MetaValue(const core::MetaPairs& meta, std::string_view name) {
  for (const auto& [key, value] : meta)
    if (key == name) return value;
  return "";
}

// An index that names another database as its owner.
bool IsForeign(const core::IndexDescription& index) {
  const std::string system = MetaValue(index.meta, "system_identifier");
  return !system.empty() && (system != std::to_string(GetSystemIdentifier()) ||
                             MetaValue(index.meta, "database") != std::to_string(MyDatabaseId));
}

bool IsOwn(const SyncRuntime& sync, const core::IndexDescription& index) {
  return !IsForeign(index) && MetaValue(index.meta, "sync") == std::to_string(sync.id);
}

// An answer to a sync that may have gone meanwhile.
template <typename F>
Answer ForSync(WorkerContext* context, SyncRuntime* sync, F handle) {
  const std::int32_t id = sync->id;
  return [context, id, handle](const net::Response& response) {
    if (SyncRuntime* now = context->Find(id)) handle(context, now, response);
  };
}

// Does this answer say that the server, or who we are to it, is the trouble?
bool IsServerTrouble(const core::BulkReply& reply) {
  return !reply.transport_ok || reply.http_status == 401 || reply.http_status == 403 ||
         reply.http_status >= 500;
}

void Unavailable(SyncRuntime* sync, const net::Response& response, core::Time wait) {
  sync->index.step = IndexStep::kUnavailable;
  sync->index.checking = false;
  sync->index.retry_at = MonotonicNow() + wait;
  const core::BulkReply& reply = response.reply;
  const bool denied = reply.http_status == 401 || reply.http_status == 403;
  sync->channel->set_state(!IsServerTrouble(reply), denied);
  SetSyncError(sync->slot, reply.transport_ok
                               ? ("HTTP status " + std::to_string(reply.http_status) + ": " +
                                  core::NormaliseError("", reply.body))
                                     .c_str()
                               : reply.transport_error.c_str());
}

void Ready(SyncRuntime* sync) {
  sync->index.step = IndexStep::kReady;
  sync->index.checking = false;
  sync->index.check_before_write = false;
  sync->index.next_check = MonotonicNow() + kCheckInterval;
  sync->blocked = false;
  if (!sync->channel->connected()) sync->channel->delivery().ResetBackoff(MonotonicNow());
  sync->channel->set_state(true, false);
  sync->channel->delivery().HoldSync(sync->id, false);
}

void Refuse(SyncRuntime* sync, std::string reason, std::string hint) {
  sync->failure = std::move(reason);
  sync->failure_hint = std::move(hint);
}

void Adopt(SyncRuntime* sync, const core::IndexDescription& index) {
  sync->index.physical = std::make_shared<const std::string>(index.name);
  sync->index.uuid = index.uuid;
  sync->index.created_here = false;
  sync->index.dirty = true;
  Ready(sync);
}

// ---- creating ---------------------------------------------------------------------------------

void AskUuid(WorkerContext* context, SyncRuntime* sync, const std::string& physical,
             core::Time now);

void Create(WorkerContext* context, SyncRuntime* sync, int generation, core::Time now);

void TakeCreation(WorkerContext* context, SyncRuntime* sync, int generation,
                  const net::Response& response) {
  const core::BulkReply& reply = response.reply;
  if (reply.transport_ok && reply.http_status == 200) {
    sync->index.generation = generation;
    sync->index.created_here = true;
    sync->index.physical = std::make_shared<const std::string>(PhysicalName(*sync, generation));
    AskUuid(context, sync, *sync->index.physical, MonotonicNow());
  } else if (reply.transport_ok && reply.http_status == 400 &&
             reply.body.find("resource_already_exists_exception") != std::string::npos) {
    Create(context, sync, generation + 1, MonotonicNow());
  } else if (reply.transport_ok && reply.http_status == 400) {
    Refuse(sync, "the server refuses the index: " + core::NormaliseError("", reply.body),
           "Correct mapping or settings: drop the sync and create it again.");
    sync->index.step = IndexStep::kUnavailable;
    sync->index.retry_at = core::kNever;
  } else {
    Unavailable(sync, response, kRetry);
  }
}

// `body` is the object that CreateIndexBody made, never an empty one.
std::string WithAlias(std::string body, const std::string& alias) {
  body.pop_back();
  body += ",\"aliases\":{";
  core::AppendJsonString(alias, &body);
  return body + ":{}}}";
}

void Create(WorkerContext* context, SyncRuntime* sync, int generation, core::Time now) {
  auto body = core::CreateIndexBody(sync->mapping, sync->settings, MetaOf(*sync));
  if (!body.ok()) {
    Refuse(sync, body.error().message, body.error().hint);
    return;
  }
  std::string text = body.value();
  // A free alias comes with the index, in one step; a taken one is switched after the backfill.
  if (!sync->index.alias_pending) text = WithAlias(std::move(text), sync->alias);
  sync->index.step = IndexStep::kAsking;
  sync->channel->Ask(
      "PUT", "/" + Encoded(PhysicalName(*sync, generation)), std::move(text), now,
      ForSync(context, sync,
              [generation](WorkerContext* c, SyncRuntime* s, const net::Response& r) {
                TakeCreation(c, s, generation, r);
              }));
}

// ---- whose name is it -------------------------------------------------------------------------

void RefuseName(SyncRuntime* sync, const core::IndexDescription& holder) {
  sync->index.step = IndexStep::kUnavailable;
  sync->index.retry_at = core::kNever;
  if (IsForeign(holder))
    Refuse(sync, "index \"" + holder.name + "\" belongs to a sync of another database",
           "Choose another index name, or delete that index if it is not needed.");
  else
    Refuse(sync, "an index named \"" + sync->alias + "\" exists already",
           "Use options => '{\"replace_index\": true}' to replace it after the first backfill, or "
           "choose another index name.");
}

// What stands under the alias' name when we have no index yet.
void TakeHolders(WorkerContext* context, SyncRuntime* sync, const Descriptions& holders) {
  for (const core::IndexDescription& holder : holders) {
    if (IsOwn(*sync, holder) && holder.name != sync->alias && sync->index.generation == 0) {
      // Created by us, but we died before that was stored: no document is in it.
      sync->index.generation = std::max(1, std::atoi(holder.name.c_str() + sync->alias.size() + 1));
      Adopt(sync, holder);
      return;
    }
    if (IsForeign(holder) || (holder.name == sync->alias && !sync->replace_index)) {
      RefuseName(sync, holder);
      return;
    }
  }
  sync->index.alias_pending = !holders.empty();
  Create(context, sync, sync->index.generation + 1, MonotonicNow());
}

void TakeUnmanaged(SyncRuntime* sync, const Descriptions& holders, const net::Response& response) {
  if (holders.size() != 1) {
    sync->blocked = true;
    Unavailable(sync, response, kBlockedRetry);
    SetSyncError(sync->slot, holders.empty() ? "the index does not exist"
                                             : "the alias points to several indexes");
    return;
  }
  const bool replaced = !sync->index.uuid.empty() && sync->index.uuid != holders[0].uuid;
  Adopt(sync, holders[0]);
  sync->index.lost |= replaced;
}

void TakeName(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  Descriptions holders;
  const core::BulkReply& reply = response.reply;
  if (!reply.transport_ok || (reply.http_status != 200 && reply.http_status != 404)) {
    Unavailable(sync, response, kRetry);
    return;
  }
  if (reply.http_status == 200) {
    auto parsed = core::ParseIndices(reply.body);
    if (!parsed.ok()) return Unavailable(sync, response, kRetry);
    holders = parsed.value();
  }
  if (sync->managed)
    TakeHolders(context, sync, holders);
  else
    TakeUnmanaged(sync, holders, response);
}

void AskName(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  sync->index.step = IndexStep::kAsking;
  sync->channel->Ask("GET", "/" + Encoded(sync->alias) + "?" + std::string(core::kDescribeFilter),
                     "", now, ForSync(context, sync, TakeName));
}

// ---- is it still the same ---------------------------------------------------------------------

void Lost(SyncRuntime* sync) {
  sync->index.lost = true;
  sync->index.checking = false;
  sync->index.step = IndexStep::kUnknown;
  sync->index.physical.reset();
  sync->index.uuid.clear();
  sync->index.dirty = true;
  sync->channel->delivery().HoldSync(sync->id, true);
}

// A routine check that found nobody says that the server is away, though nothing is to be written:
// after it every index of this connection is compared before the first write.
void CheckFailed(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  const bool routine = sync->index.step == IndexStep::kReady && !sync->index.check_before_write;
  if (routine && !IsServerTrouble(response.reply)) {
    sync->index.checking = false;
    sync->index.next_check = MonotonicNow() + kRetry;
    return;
  }
  if (routine) CheckBeforeNextWrite(context, sync->channel);
  Unavailable(sync, response, kRetry);
}

void TakeUuid(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  const core::BulkReply& reply = response.reply;
  if (!reply.transport_ok || (reply.http_status != 200 && reply.http_status != 404))
    return CheckFailed(context, sync, response);
  auto parsed = core::ParseIndices(reply.http_status == 200 ? reply.body : "{}");
  if (!parsed.ok()) return Unavailable(sync, response, kRetry);
  const bool found = parsed.value().size() == 1;
  const std::string uuid = found ? parsed.value()[0].uuid : "";
  if (found && sync->index.uuid.empty()) {
    sync->index.uuid = uuid;  // just created
    sync->index.dirty = true;
    Ready(sync);
  } else if (found && uuid == sync->index.uuid) {
    Ready(sync);
  } else {
    Lost(sync);
  }
}

void AskUuid(WorkerContext* context, SyncRuntime* sync, const std::string& physical,
             core::Time now) {
  sync->index.checking = true;
  if (sync->index.step != IndexStep::kReady) sync->index.step = IndexStep::kAsking;
  sync->channel->Ask("GET",
                     "/" + Encoded(physical) + "/_settings?filter_path=*.settings.index.uuid", "",
                     now, ForSync(context, sync, TakeUuid));
}

void Begin(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  sync->channel->delivery().HoldSync(sync->id, true);
  if (sync->index.physical != nullptr && (sync->managed || !sync->index.uuid.empty()))
    AskUuid(context, sync, *sync->index.physical, now);
  else
    AskName(context, sync, now);
}

// ---- the alias --------------------------------------------------------------------------------

void TakeAliasAnswer(SyncRuntime* sync, const net::Response& response) {
  sync->index.checking = false;
  if (response.reply.transport_ok && response.reply.http_status == 200) {
    sync->index.alias_pending = false;
    sync->index.dirty = true;
  } else {
    Unavailable(sync, response, kRetry);
  }
}

void PointAlias(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  sync->index.checking = false;
  if (!response.reply.transport_ok) return Unavailable(sync, response, kRetry);
  core::AliasChange change;
  change.alias = sync->alias;
  change.index = *sync->index.physical;
  auto holders = core::ParseIndices(response.reply.http_status == 200 ? response.reply.body : "{}");
  if (!holders.ok()) return Unavailable(sync, response, kRetry);
  for (const core::IndexDescription& holder : holders.value()) {
    if (holder.name == sync->alias)
      change.remove_index.push_back(holder.name);
    else if (holder.name != change.index)
      change.remove_from.push_back(holder.name);
  }
  sync->index.checking = true;
  sync->channel->Ask(
      "POST", "/_aliases", core::AliasBody(change), MonotonicNow(),
      ForSync(context, sync, [](WorkerContext*, SyncRuntime* s, const net::Response& r) {
        TakeAliasAnswer(s, r);
      }));
}

bool IsDue(const SyncRuntime& sync, core::Time now) {
  const IndexState& index = sync.index;
  if (index.lost || index.checking) return false;
  switch (index.step) {
    case IndexStep::kUnknown:
      return true;
    case IndexStep::kUnavailable:
      return now >= index.retry_at;
    case IndexStep::kReady:
      return index.check_before_write || now >= index.next_check;
    case IndexStep::kAsking:
      return false;
  }
  return false;
}

}  // namespace

void KeepIndexes(WorkerContext* context, core::Time now) {
  for (auto& [id, sync] : context->syncs) {
    if (sync->failed || !sync->failure.empty() || sync->channel == nullptr) continue;
    if (!IsDue(*sync, now)) continue;
    if (sync->index.step == IndexStep::kReady && !sync->index.check_before_write)
      AskUuid(context, sync.get(), *sync->index.physical, now);
    else
      Begin(context, sync.get(), now);
  }
}

void CheckBeforeNextWrite(WorkerContext* context, Channel* channel) {
  for (auto& [id, sync] : context->syncs) {
    if (sync->channel != channel) continue;
    sync->index.check_before_write = true;
    channel->delivery().HoldSync(id, true);
  }
}

void CheckIndexSoon(SyncRuntime* sync) { sync->index.next_check = core::Time{0}; }

void SwitchAlias(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  if (sync->index.checking || sync->index.step != IndexStep::kReady) return;
  sync->index.checking = true;
  sync->channel->Ask("GET", "/" + Encoded(sync->alias) + "?" + std::string(core::kDescribeFilter),
                     "", now, ForSync(context, sync, PointAlias));
}

core::Time NextIndexDeadline(const WorkerContext& context) {
  core::Time next = core::kNever;
  for (const auto& [id, sync] : context.syncs) {
    const IndexState& index = sync->index;
    if (sync->failed || index.checking) continue;
    if (index.step == IndexStep::kReady) next = std::min(next, index.next_check);
    if (index.step == IndexStep::kUnavailable) next = std::min(next, index.retry_at);
  }
  return next;
}

}  // namespace polyglot::pg
