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
#include "pg/worker/search/search_api.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kRetry{5'000'000};
constexpr core::Time kStoreRetry{500'000};
// Each is a change of the search cluster's state: not hundreds of them at once.
constexpr int kAtOnce = 4;

using IndexDrop = WorkerContext::IndexDrop;
using Lease = Answer<std::optional<core::FoundLease>>;

// Runs `handle(context, index, drop, answer)` unless the drop has gone before the answer came.
template <typename F>
auto ForDrop(WorkerContext* context, const std::string& index, F handle) {
  context->index_drops.find(index)->second.asking = true;
  return [context, index, handle](const auto& answer) {
    auto it = context->index_drops.find(index);
    if (it == context->index_drops.end()) return;
    it->second.asking = false;
    it->second.retry_at = MonotonicNow() + kRetry;
    handle(context, index, &it->second, answer);
  };
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
                 const net::Response& response) {
  const core::Reply& reply = response.reply;
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
               const Lease& claim) {
  if (!TellsHolders(claim.response.reply)) return;
  if (claim && *claim.value && IsAnothers(*context, *drop, core::OwnerIn((*claim.value)->record)))
    drop->done = true;
  else
    DeleteIndex(drop->channel, index, MonotonicNow(), ForDrop(context, index, TakeDeleted));
}

// A copy of this database, whose indexes these are as well, may live and use them.
void TakeLease(WorkerContext* context, const std::string& index, IndexDrop* drop,
               const std::string& uuid, const Lease& lease) {
  if (!TellsHolders(lease.response.reply)) return;
  const core::FoundLease* found = lease && *lease.value ? &**lease.value : nullptr;
  const bool unowned = found == nullptr || found->record.released ||
                       found->record.incarnation == context->incarnation;
  const core::Time now = MonotonicNow();
  if (!unowned) {
    core::LeaseWatch& watch = drop->watch;
    watch.Look(*found, now);
    if (watch.unchanged(now) < core::kLeaseWatch) {
      drop->done =
          watch.watched(now) >= core::kLeasePatience && watch.renewals() >= core::kLeaseRenewals;
      return;
    }
  }
  ReadLease(drop->channel, core::OwnerName(uuid), now, ForDrop(context, index, TakeClaim));
}

bool IsAliasOfSync(const WorkerContext& context, const std::string& alias) {
  for (const auto& [id, sync] : context.syncs)
    if (sync->alias == alias) return true;
  return false;
}

void TakeDescription(WorkerContext* context, const std::string& index, IndexDrop* drop,
                     const Answer<Descriptions>& found) {
  if (!found) return;
  if (found.value->empty()) return Gone(drop);
  const core::IndexDescription& description = (*found.value)[0];
  if (description.name != index || !IsOurs(*context, *drop, description)) {
    drop->done = true;
  } else if (drop->unless_aliased && core::HasAlias(description, drop->alias)) {
    drop->done = !IsAliasOfSync(*context, drop->alias);  // otherwise the next rebuild takes it
  } else {
    ReadLease(drop->channel, drop->alias, MonotonicNow(),
              ForDrop(context, index,
                      [uuid = description.uuid](WorkerContext* c, const std::string& name,
                                                IndexDrop* d, const Lease& lease) {
                        TakeLease(c, name, d, uuid, lease);
                      }));
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
      DescribeName(drop.channel, index, now, ForDrop(context, index, TakeDescription));
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
