#include "pg/worker/search/index_owner.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/search/version_meta.h"
#include "pg/clock.h"
#include "pg/worker/search/epoch_keeper.h"
#include "pg/worker/search/index_condition.h"
#include "pg/worker/search/lease_keeper.h"

namespace polyglot::pg {
namespace {

using FoundOwner = std::optional<core::FoundLease>;
using Unavailable = std::function<void(WorkerContext*, SyncRuntime*, const net::Response&)>;

void RetryIndex(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  IndexUnavailable(context, sync, response, kIndexRetry);
}

// ---- the document -----------------------------------------------------------------------------

// Whoever holds a lease has seen the index of these documents; it may have been deleted since.
template <typename F>
void AskOwner(WorkerContext* context, SyncRuntime* sync, const std::string& uuid,
              const Unavailable& unavailable, F handle) {
  using Found = Answer<std::optional<core::FoundLease>>;
  ReadLease(sync->channel, core::OwnerName(uuid), MonotonicNow(),
            ForSync(context, sync,
                    [unavailable, handle](WorkerContext* c, SyncRuntime* s, const Found& found) {
                      LeaseState* lease = LeaseOf(c, *s);
                      if (lease != nullptr && MissesLeaseIndex(found)) lease->held = false;
                      if (!found) return unavailable(c, s, found);
                      handle(c, s, *found.value);
                    }));
}

// A refused condition: somebody was faster, and is looked at.
template <typename F>
void WriteOwner(WorkerContext* context, SyncRuntime* sync, const std::string& uuid,
                const FoundOwner& found, const Unavailable& unavailable, F handle) {
  using Written = Answer<std::pair<std::int64_t, std::int64_t>>;
  WriteLease(sync->channel, core::OwnerName(uuid), found ? &*found : nullptr,
             core::OwnerDocument(RecordToWrite(*sync)), MonotonicNow(),
             ForSync(context, sync,
                     [unavailable, handle](WorkerContext* c, SyncRuntime* s, const Written& place) {
                       if (!place) return unavailable(c, s, place);
                       handle(c, s, *place.value);
                     }));
}

// ---- an index that is not managed -------------------------------------------------------------

bool IsWithin(const SyncRuntime& sync, const std::string& index) {
  return index.starts_with(sync.confined_to);
}

// What can be told from the name and the index itself.
std::optional<Refusal> RefusalOf(const WorkerContext& context, const SyncRuntime& sync,
                                 const core::IndexDescription& index) {
  if (core::IsLeaseIndex(index.name))
    return Refusal{"index \"" + index.name + "\" belongs to polyglot_sync itself",
                   "Drop the sync and create it with another index."};
  if (!index.data_stream.empty())
    return Refusal{"\"" + sync.alias + "\" leads to the data stream \"" + index.data_stream + "\"",
                   "Documents of a data stream cannot be replaced: drop the sync and create it "
                   "with an index."};
  if (!IsWithin(sync, index.name))
    return Refusal{"index \"" + index.name + "\" does not begin with \"" + sync.confined_to +
                       "\", as the server's option confine wants",
                   "Drop the sync and create it with another index."};
  const IndexOwner owner = OwnerOf(context, sync, index);
  const bool other = owner == IndexOwner::kSibling || owner == IndexOwner::kForeign;
  if (other && !(sync.adopt && owner == IndexOwner::kForeign))
    return BelongsToOther(index.name, owner);
  return std::nullopt;
}

void TakeClaim(WorkerContext* context, SyncRuntime* sync, const std::string& uuid,
               std::pair<std::int64_t, std::int64_t> place, const OwnedThen& then) {
  sync->claim = {uuid, place.first, place.second};
  then(context, sync);
}

// The former owner finds another name in his index at his next look, and ends.
void PutMeta(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index,
             const OwnedThen& then) {
  core::VersionRecord record = RecordToWrite(*sync);
  if (const auto before = core::RecordOf(index.meta)) {
    record.epoch = std::max(record.epoch, before->epoch);
    record.bound = std::max(record.bound, before->bound);
  }
  auto body = core::MetaBody(index.mapping, core::MetaOf(record));
  if (!body.ok()) return RefuseIndex(sync, body.error().message, body.error().hint);
  PutMapping(
      sync->channel, index.name, body.value(), MonotonicNow(),
      ForSync(context, sync, [then](WorkerContext* c, SyncRuntime* s, const Answer<Done>& done) {
        done ? then(c, s) : RetryIndex(c, s, done);
      }));
}

void TakeOwner(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index,
               const FoundOwner& found, const OwnedThen& then) {
  const IndexOwner owner =
      found ? OwnerNamed(*context, *sync, core::OwnerIn(found->record)) : IndexOwner::kNobody;
  const std::string& uuid = index.uuid;
  if (owner == IndexOwner::kThis)
    return TakeClaim(context, sync, uuid, {found->seq_no, found->primary_term}, then);
  const bool taken = owner == IndexOwner::kForeign && !sync->adopt;
  if (taken || owner == IndexOwner::kSibling)
    return RefuseName(context, sync, BelongsToOther(index.name, owner));
  WriteOwner(context, sync, uuid, found, RetryIndex,
             [uuid, then](WorkerContext* c, SyncRuntime* s, const auto& place) {
               TakeClaim(c, s, uuid, place, then);
             });
}

// ---- what has the alias' name -----------------------------------------------------------------

// Holders one after another.
struct HolderCheck {
  std::vector<core::IndexDescription> holders;
  HolderAnswers answers;
};
using Check = std::shared_ptr<const HolderCheck>;

void CheckFrom(WorkerContext* context, SyncRuntime* sync, const Check& check, std::size_t at);

Refusal ExistsAlready(const SyncRuntime& sync) {
  return {"an index named \"" + sync.alias + "\" exists already",
          "Delete it, or replace it after the first backfill by polyglot.alter_sync(options => "
          "'{\"replace_index\": true}'), or choose another index name."};
}

// One that is deleted in the end must be nobody's, adopted or not.
bool MayTake(const SyncRuntime& sync, IndexOwner owner, bool replaced) {
  if (owner == IndexOwner::kForeign) return sync.adopt && !replaced;
  return owner != IndexOwner::kSibling;
}

void TakeHolder(WorkerContext* context, SyncRuntime* sync, const Check& check, std::size_t at,
                const FoundOwner& found) {
  const core::IndexDescription& holder = check->holders[at];
  const bool replaced = holder.name == sync->alias;
  const IndexOwner owner =
      found ? OwnerNamed(*context, *sync, core::OwnerIn(found->record)) : IndexOwner::kNobody;
  if (!MayTake(*sync, owner, replaced))
    return check->answers.refused(context, sync, BelongsToOther(holder.name, owner));
  if (replaced && !sync->replace_index)
    return check->answers.refused(context, sync, ExistsAlready(*sync));
  if (!replaced || owner == IndexOwner::kThis) return CheckFrom(context, sync, check, at + 1);
  WriteOwner(context, sync, holder.uuid, found, check->answers.unavailable,
             [check, at](WorkerContext* c, SyncRuntime* s, const auto&) {
               CheckFrom(c, s, check, at + 1);
             });
}

std::optional<Refusal> RefusalOfHolder(const WorkerContext& context, const SyncRuntime& sync,
                                       const core::IndexDescription& holder) {
  if (core::IsLeaseIndex(holder.name))
    return Refusal{"\"" + sync.alias + "\" leads to index \"" + holder.name +
                       "\", which belongs to polyglot_sync itself",
                   "Choose another index name, or take that alias away."};
  if (!holder.data_stream.empty())
    return Refusal{"\"" + sync.alias + "\" leads to the data stream \"" + holder.data_stream + "\"",
                   "Choose another index name."};
  const IndexOwner owner = OwnerOf(context, sync, holder);
  if (!MayTake(sync, owner, holder.name == sync.alias)) return BelongsToOther(holder.name, owner);
  return std::nullopt;
}

void CheckFrom(WorkerContext* context, SyncRuntime* sync, const Check& check, std::size_t at) {
  while (at < check->holders.size() &&
         OwnerOf(*context, *sync, check->holders[at]) == IndexOwner::kThis &&
         check->holders[at].name != sync->alias)
    ++at;
  if (at >= check->holders.size()) return check->answers.free(context, sync);
  if (auto refusal = RefusalOfHolder(*context, *sync, check->holders[at]))
    return check->answers.refused(context, sync, *refusal);
  AskOwner(context, sync, check->holders[at].uuid, check->answers.unavailable,
           [check, at](WorkerContext* c, SyncRuntime* s, const FoundOwner& found) {
             TakeHolder(c, s, check, at, found);
           });
}

}  // namespace

IndexOwner OwnerNamed(const WorkerContext& context, const SyncRuntime& sync,
                      const core::VersionRecord& record) {
  const core::VersionRecord now = RecordToWrite(sync);
  if (record.system_identifier == 0) return IndexOwner::kNobody;
  if (!core::SameDatabase(record, now)) return IndexOwner::kForeign;
  if (record.instance != 0 && record.instance != now.instance) return IndexOwner::kNobody;
  if (record.sync == now.sync) return IndexOwner::kThis;
  // One that was created after the definitions were read is not known here.
  const bool lives =
      context.syncs_of_database.count(record.sync) > 0 || record.sync > context.last_sync_number;
  return lives ? IndexOwner::kSibling : IndexOwner::kNobody;
}

IndexOwner OwnerOf(const WorkerContext& context, const SyncRuntime& sync,
                   const core::IndexDescription& index) {
  const auto record = core::RecordOf(index.meta);
  return record ? OwnerNamed(context, sync, *record) : IndexOwner::kNobody;
}

Refusal BelongsToOther(const std::string& index, IndexOwner owner) {
  if (owner == IndexOwner::kSibling)
    return {"index \"" + index + "\" belongs to another sync of this database",
            "Every sync has an index of its own: drop this one and create it with another index."};
  return {"index \"" + index + "\" belongs to a sync of another database",
          "Drop the sync and create it with another index. Where that database is gone, delete the "
          "index, or take it over by polyglot.adopt_sync."};
}

void ClaimIndex(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index,
                OwnedThen then) {
  if (const auto refusal = RefusalOf(*context, *sync, index))
    return RefuseName(context, sync, *refusal);
  if (OwnerOf(*context, *sync, index) == IndexOwner::kForeign)
    then = [index, then = std::move(then)](WorkerContext* c, SyncRuntime* s) {
      PutMeta(c, s, index, then);
    };
  if (sync->claim.uuid == index.uuid) return then(context, sync);
  AskOwner(
      context, sync, index.uuid, RetryIndex,
      [index, then = std::move(then)](WorkerContext* c, SyncRuntime* s, const FoundOwner& found) {
        TakeOwner(c, s, index, found, then);
      });
}

void CheckHolders(WorkerContext* context, SyncRuntime* sync,
                  std::vector<core::IndexDescription> holders, HolderAnswers answers) {
  auto check =
      std::make_shared<const HolderCheck>(HolderCheck{std::move(holders), std::move(answers)});
  CheckFrom(context, sync, check, 0);
}

void RefuseName(WorkerContext* context, SyncRuntime* sync, const Refusal& refusal) {
  GiveBackLease(context, sync);
  RefuseIndex(sync, refusal.reason, refusal.hint);
}

}  // namespace polyglot::pg
