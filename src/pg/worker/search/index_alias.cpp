#include "pg/worker/search/index_alias.h"

#include <algorithm>
#include <iterator>

#include "pg/clock.h"
#include "pg/worker/search/epoch_keeper.h"
#include "pg/worker/search/index_condition.h"
#include "pg/worker/search/index_owner.h"

namespace polyglot::pg {
namespace {

// Seldom: it is one more question for each sync, and who gives the alias to an index of ours is
// noticed at once.
constexpr core::Time kAliasCheck{300'000'000};

// Of this sync itself: generations before and after it.
bool IsOthers(const WorkerContext& context, const SyncRuntime& sync,
              const core::IndexDescription& holder) {
  return core::HasAlias(holder, sync.alias) && sync.index.physical != nullptr &&
         holder.name != *sync.index.physical && OwnerOf(context, sync, holder) != IndexOwner::kThis;
}

void TakeAliasHolders(WorkerContext* context, SyncRuntime* sync,
                      const Answer<Descriptions>& holders) {
  if (!holders || holders.response.reply.status != 200) return;
  const auto other =
      std::find_if(holders.value->begin(), holders.value->end(),
                   [&](const auto& holder) { return IsOthers(*context, *sync, holder); });
  const std::string name = other == holders.value->end() ? std::string() : other->name;
  if (!name.empty() && sync->index.alias_shared.empty())
    ereport(WARNING,
            (errmsg("polyglot_sync: the alias \"%s\" of sync \"%s\" names index \"%s\" as well",
                    sync->alias.c_str(), sync->name.c_str(), name.c_str()),
             errhint("Searches see its documents, too. Take the alias away from that index, and "
                     "out of the index template that gives it.")));
  sync->index.alias_shared = name;
}

// An index of ours has been given it, by an index template whose pattern reaches too far.
void TellThoseNamed(WorkerContext* context, const SyncRuntime& sync,
                    const core::IndexDescription& index) {
  if (index.aliases.size() < 2 && core::HasAlias(index, sync.alias)) return;
  for (auto& [id, other] : context->syncs)
    if (other->PublicId() != sync.PublicId() && other->index.alias_shared.empty() &&
        core::HasAlias(index, other->alias)) {
      other->index.alias_check_at = core::Time{0};
      CheckSoon(other.get());
    }
}

void RemoveAlias(WorkerContext* context, SyncRuntime* sync, const std::string& index) {
  sync->index.checking = true;
  core::AliasChange change;
  change.alias = sync->alias;
  change.remove_from.push_back(index);
  ChangeAlias(
      sync->channel, change, MonotonicNow(),
      ForSync(context, sync, [](WorkerContext* c, SyncRuntime* s, const Answer<Done>& done) {
        if (!done) return IndexUnavailable(c, s, done, kIndexRetry);
        AskLater(s, core::Time{0});
      }));
}

void TakeEarlyHolders(WorkerContext* context, SyncRuntime* sync,
                      const core::IndexDescription& index, const Answer<Descriptions>& holders) {
  if (!holders || holders.response.reply.status != 200)
    return IndexUnavailable(context, sync, holders, kIndexRetry);
  const bool others = std::any_of(holders.value->begin(), holders.value->end(),
                                  [&](const auto& holder) { return holder.name != index.name; });
  if (others) return RemoveAlias(context, sync, index.name);
  NoteAlias(sync, index);
  AcceptIndex(context, sync, index);
}

}  // namespace

void NoteAlias(SyncRuntime* sync, const core::IndexDescription& index) {
  const bool elsewhere = !sync->index.alias_pending && !sync->IsBuilding() &&
                         index.name != sync->alias && !core::HasAlias(index, sync->alias);
  if (elsewhere && !sync->index.alias_elsewhere)
    ereport(WARNING,
            (errmsg("polyglot_sync: the alias \"%s\" does not name index \"%s\" of sync \"%s\"",
                    sync->alias.c_str(), index.name.c_str(), sync->name.c_str()),
             errhint("Searches see other documents, or none. Point the alias to that index again, "
                     "or drop the sync.")));
  sync->index.alias_elsewhere = elsewhere;
}

void LookAtAlias(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index) {
  TellThoseNamed(context, *sync, index);
  const core::Time now = MonotonicNow();
  if (sync->IsBuilding() || sync->index.alias_pending || sync->index.step != IndexStep::kReady ||
      now < sync->index.alias_check_at)
    return;
  sync->index.alias_check_at = now + kAliasCheck;
  DescribeName(sync->channel, sync->alias, now, ForSync(context, sync, TakeAliasHolders));
}

bool HasAliasEarly(const SyncRuntime& sync, const core::IndexDescription& index) {
  const bool building = sync.IsBuilding() && sync.rebuild.step < RebuildState::Step::kSwitch;
  return (building || sync.index.alias_pending) && sync.index.step != IndexStep::kReady &&
         core::HasAlias(index, sync.alias);
}

void TakeAliasAway(WorkerContext* context, SyncRuntime* sync, const core::IndexDescription& index) {
  if (sync->index.created_here) return RemoveAlias(context, sync, index.name);
  sync->index.checking = true;
  DescribeName(
      sync->channel, sync->alias, MonotonicNow(),
      ForSync(context, sync,
              [index](WorkerContext* c, SyncRuntime* s, const Answer<Descriptions>& holders) {
                TakeEarlyHolders(c, s, index, holders);
              }));
}

Descriptions ReplacedBy(const SyncRuntime& sync, const Descriptions& holders) {
  Descriptions replaced;
  std::copy_if(holders.begin(), holders.end(), std::back_inserter(replaced),
               [&sync](const auto& holder) { return holder.name == sync.alias; });
  return replaced;
}

}  // namespace polyglot::pg
