#include "pg/worker/search/index_drops.h"

#include <algorithm>
#include <utility>

#include "core/ownership/epoch.h"
#include "core/ownership/index_owner.h"
#include "core/ownership/lease.h"
#include "core/search/index_requests.h"
#include "core/search/version_meta.h"
#include "pg/catalog/change_announcement.h"
#include "pg/catalog/dropped_indexes.h"
#include "pg/clock.h"
#include "pg/fault_points.h"
#include "pg/worker/search/epoch_keeper.h"
#include "pg/worker/search/index_condition.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kRetry{5'000'000};
constexpr core::Time kStoreRetry{500'000};
// Each is a change of the search cluster's state: not hundreds of them at once.
constexpr int kAtOnce = 4;

using IndexDrop = WorkerContext::IndexDrop;

template <typename F>
void Ask(WorkerContext* context, const std::string& index, const char* method,
         const std::string& path, F handle) {
  IndexDrop& drop = context->index_drops.find(index)->second;
  drop.asking = true;
  drop.channel->Ask(method, path, "", MonotonicNow(),
                    [context, index, handle](const net::Response& response) {
                      auto it = context->index_drops.find(index);
                      if (it == context->index_drops.end()) return;
                      it->second.asking = false;
                      it->second.retry_at = MonotonicNow() + kRetry;
                      handle(context, index, &it->second, response.reply);
                    });
}

// It is not there: for good, or a late request may still make it again.
void Gone(IndexDrop* drop) {
  const core::Time now = MonotonicNow();
  drop->deleted = true;
  drop->done = now >= drop->final_at;
  drop->retry_at = drop->final_at == core::kNever ? now + kRetry : drop->final_at;
}

// A request that is in flight may take long to fail, and its like may still land after that.
void SetFinal(const WorkerContext& context, const std::string& index, IndexDrop* drop) {
  const bool in_flight =
      std::any_of(context.channels.begin(), context.channels.end(),
                  [&](const auto& channel) { return channel->delivery().AnyInFlightTo(index); });
  if (in_flight)
    drop->final_at = core::kNever;
  else if (drop->final_at == core::kNever)
    drop->final_at = MonotonicNow() + context.request_timeout;
}

void TakeDeleted(WorkerContext*, const std::string& index, IndexDrop* drop,
                 const core::Reply& reply) {
  if (!TellsHolders(reply)) return;
  if (reply.status == 200 && !drop->deleted)
    ereport(LOG, (errmsg("polyglot_sync: index \"%s\" deleted", index.c_str())));
  FaultPoint("index deleted");
  Gone(drop);
}

// Some sync fills it: names are given again after a sync was created anew.
bool IsUsed(const WorkerContext& context, const std::string& index) {
  for (const auto& [id, sync] : context.syncs)
    if (sync->index.planned == index ||
        (sync->index.physical != nullptr && *sync->index.physical == index))
      return true;
  return false;
}

// A sync that lives, here or elsewhere, and is not the one that the index was dropped for.
bool IsAnothers(const WorkerContext& context, const IndexDrop& drop,
                const core::VersionRecord& owner) {
  if (owner.system_identifier == 0) return false;
  if (!core::SameDatabase(owner, ThisDatabase())) return true;
  const auto sync = context.syncs_of_database.find(owner.sync);
  return sync != context.syncs_of_database.end() && sync->second != drop.alias;
}

// A name may be anybody's by now. What a late bulk request of ours has made bears no record after
// we have deleted the index. In place of one that was being built and got lost, which nobody else
// knows, it may even bear ours: the next change of the bound has written it there.
bool IsOurs(const WorkerContext& context, const IndexDrop& drop,
            const core::IndexDescription& found) {
  if (IsUsed(context, found.name)) return false;
  const auto record = core::RecordOf(found.meta);
  if (record && IsAnothers(context, drop, *record)) return false;
  if (!record && drop.deleted) return true;
  if (drop.unless_aliased && !drop.uuid.empty() && found.aliases.empty()) return true;
  return drop.uuid.empty() ? record.has_value() : found.uuid == drop.uuid;
}

// Who fills it without managing it says so in a document of its own.
void TakeClaim(WorkerContext* context, const std::string& index, IndexDrop* drop,
               const core::Reply& reply) {
  if (!TellsHolders(reply)) return;
  const auto claim = core::ParseLease(reply.body);
  if (claim.ok() && claim.value() &&
      IsAnothers(*context, *drop, core::OwnerIn(claim.value()->record)))
    drop->done = true;
  else
    Ask(context, index, "DELETE", "/" + Encoded(index), TakeDeleted);
}

// A copy of this database, whose indexes these are as well, may live and use them.
void TakeLease(WorkerContext* context, const std::string& index, IndexDrop* drop,
               const std::string& uuid, const core::Reply& reply) {
  if (!TellsHolders(reply)) return;
  const auto lease = core::ParseLease(reply.body);
  const bool unowned = !lease.ok() || !lease.value() || lease.value()->record.released ||
                       lease.value()->record.incarnation == context->incarnation;
  const core::Time now = MonotonicNow();
  if (!unowned) {
    core::LeaseWatch& watch = drop->watch;
    watch.Look(*lease.value(), now);
    if (watch.unchanged(now) < core::kLeaseWatch) {
      drop->done =
          watch.watched(now) >= core::kLeasePatience && watch.renewals() >= core::kLeaseRenewals;
      return;
    }
  }
  Ask(context, index, "GET", core::LeasePath(Encoded(core::OwnerName(uuid))), TakeClaim);
}

bool IsAliasOfSync(const WorkerContext& context, const std::string& alias) {
  for (const auto& [id, sync] : context.syncs)
    if (sync->alias == alias) return true;
  return false;
}

void TakeDescription(WorkerContext* context, const std::string& index, IndexDrop* drop,
                     const core::Reply& reply) {
  if (!TellsHolders(reply)) return;
  auto found = core::ParseIndices(reply.status == 200 ? reply.body : "{}");
  if (!found.ok()) return;
  if (found.value().empty()) return Gone(drop);
  const core::IndexDescription& description = found.value()[0];
  if (description.name != index || !IsOurs(*context, *drop, description)) {
    drop->done = true;
  } else if (drop->unless_aliased && core::HasAlias(description, drop->alias)) {
    drop->done = !IsAliasOfSync(*context, drop->alias);  // otherwise the next rebuild takes it
  } else {
    Ask(context, index, "GET", core::LeasePath(Encoded(drop->alias)),
        [uuid = description.uuid](WorkerContext* c, const std::string& name, IndexDrop* d,
                                  const core::Reply& answer) {
          TakeLease(c, name, d, uuid, answer);
        });
  }
}

// Of an index that was being built and got lost: the name was free when we made it.
constexpr const char* kLost = "lost";

std::string UuidOf(const SyncRuntime& sync, bool building) {
  const bool lost = building && (sync.index.lost || sync.index.created_here);
  return sync.index.uuid.empty() && lost ? kLost : sync.index.uuid;
}

void Insert(const WorkerContext& context, const SyncRuntime& sync, const std::string& index,
            bool building, core::Time wait) {
  InsertDropped(context.server, {.index = index,
                                 .alias = sync.alias,
                                 .uuid = UuidOf(sync, building),
                                 .unless_aliased = building,
                                 .wait_us = wait.count(),
                                 .owner = sync.owner});
}

// An index of the same name may be another one by now, and the mapping, too.
void Keep(WorkerContext* context, const std::string& index, IndexDrop drop) {
  const auto [it, added] = context->index_drops.try_emplace(index, drop);
  if (added) return;
  drop.asking = it->second.asking;
  if (it->second.uuid == drop.uuid)
    it->second.channel = drop.channel;
  else
    it->second = std::move(drop);
}

}  // namespace

void LoadIndexDrops(WorkerContext* context, const std::function<Channel*(Oid owner)>& channel_of) {
  const core::Time now = MonotonicNow();
  for (const DroppedIndex& dropped : LoadDropped(context->server)) {
    IndexDrop drop;
    drop.alias = dropped.alias;
    drop.uuid = dropped.uuid;
    drop.unless_aliased = dropped.unless_aliased;
    drop.channel = channel_of(dropped.owner);
    drop.retry_at = now + core::Time{dropped.wait_us};
    SetFinal(*context, dropped.index, &drop);
    Keep(context, dropped.index, std::move(drop));
  }
}

void DropIndexOf(WorkerContext* context, const SyncRuntime& sync, bool building) {
  const std::string& index =
      sync.index.physical == nullptr ? sync.index.planned : *sync.index.physical;
  if (index.empty()) return;
  const core::Time now = MonotonicNow(), wait = building ? core::Time{0} : context->request_timeout;
  Insert(*context, sync, index, building, wait);
  IndexDrop drop;
  drop.alias = sync.alias;
  drop.uuid = UuidOf(sync, building);
  drop.unless_aliased = building;
  drop.channel = sync.channel;
  drop.retry_at = now + wait;
  SetFinal(*context, index, &drop);
  Keep(context, index, std::move(drop));
}

void AdvanceIndexDrops(WorkerContext* context, core::Time now) {
  auto asking = std::count_if(context->index_drops.begin(), context->index_drops.end(),
                              [](const auto& drop) { return drop.second.asking; });
  for (auto& [index, drop] : context->index_drops)
    if (asking < kAtOnce && !drop.asking && !drop.done && now >= drop.retry_at) {
      ++asking;
      SetFinal(*context, index, &drop);
      Ask(context, index, "GET", "/" + Encoded(index) + "?" + std::string(core::kDescribeFilter),
          TakeDescription);
    }
}

void StoreIndexDrops(WorkerContext* context, core::Time now) {
  std::vector<std::pair<std::string, std::string>> done, stored;  // name, UUID
  for (const auto& [index, drop] : context->index_drops)
    if (drop.done && now >= drop.store_at) done.emplace_back(index, drop.uuid);
  if (done.empty()) return;
  InTransaction([&] {
    for (const auto& [index, uuid] : done)
      if (DeleteDropped(context->server, index, uuid)) stored.emplace_back(index, uuid);
    // The launcher may have kept this worker for these alone.
    if (!stored.empty()) AnnounceConfigChange();
  });
  for (const auto& [index, uuid] : done) context->index_drops[index].store_at = now + kStoreRetry;
  for (const auto& [index, uuid] : stored) context->index_drops.erase(index);
}

}  // namespace polyglot::pg
