#include "pg/worker/search/index_checks.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "pg/worker/search/search_api.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kPatience{10'000'000};

struct Asked {
  std::int32_t sync;
  std::uint64_t incarnation;
  std::string uuid;
};

bool MayAskTogether(const SyncRuntime& sync) {
  const IndexState& index = sync.index;
  return index.step == IndexStep::kReady && !index.check_before_write && !index.checking &&
         !index.alone && !index.lost && index.physical != nullptr && !index.uuid.empty() &&
         sync.managed && !sync.IsBuilding() && sync.unconfirmed.empty();
}

void AskAlone(SyncRuntime* sync) {
  sync->index.alone = true;
  sync->index.next_check = core::Time{0};
}

void Take(WorkerContext* context, const std::vector<Asked>& asked, CompareIndex compare,
          const Answer<Descriptions>& told) {
  std::unordered_map<std::string_view, const core::IndexDescription*> found;
  if (told)
    for (const core::IndexDescription& index : *told.value) found.emplace(index.name, &index);
  for (const Asked& one : asked) {
    SyncRuntime* sync = context->Find(one.sync);
    if (sync == nullptr || sync->incarnation != one.incarnation || sync->index.uuid != one.uuid ||
        !MayAskTogether(*sync))
      continue;  // something else is known by now, or is being asked
    const auto index = found.find(*sync->index.physical);
    context->Wake(sync);
    if (index != found.end() && index->second->uuid == one.uuid)
      compare(context, sync, *index->second);
    else
      AskAlone(sync);
  }
}

void Ask(WorkerContext* context, Channel* channel, const std::string& names,
         std::vector<Asked> asked, CompareIndex compare, core::Time now) {
  DescribeSeveral(channel, names, now,
                  [context, compare, asked = std::move(asked)](const Answer<Descriptions>& told) {
                    Take(context, asked, compare, told);
                  });
}

}  // namespace

void AskTogether(WorkerContext* context, std::vector<SyncRuntime*>* due, CompareIndex compare,
                 core::Time now) {
  const auto others = std::stable_partition(
      due->begin(), due->end(), [](const SyncRuntime* sync) { return MayAskTogether(*sync); });
  if (others - due->begin() < 2) return;
  std::string names;
  std::vector<Asked> asked;
  Channel* channel = due->front()->channel;
  for (auto it = due->begin(); it != others; ++it) {
    SyncRuntime* sync = *it;
    if (!AppendName(*sync->index.physical, &names)) {
      Ask(context, channel, names, std::exchange(asked, {}), compare, now);
      names.clear();
      AppendName(*sync->index.physical, &names);
    }
    asked.push_back({sync->id, sync->incarnation, sync->index.uuid});
    sync->index.next_check = now + kPatience;  // meanwhile nobody else asks
  }
  Ask(context, channel, names, std::move(asked), compare, now);
  due->erase(due->begin(), others);
}

}  // namespace polyglot::pg
