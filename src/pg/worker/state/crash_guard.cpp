#include "pg/worker/state/crash_guard.h"

#include <algorithm>
#include <set>

#include "pg/catalog/crash_marks.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kLongestCare{600'000'000};
// Care takes a commit for each thing. One that kills is mostly among the first, since a worker goes
// on where the last one was; if not, the next one is careful for longer.
constexpr int kThings = 200, kLongerEachTime = 4, kLongerTimes = 8;

bool careful = false, note_stands = false;
int crashes = 0;  // that have followed each other when this worker began
std::int64_t noted = 0;
// Never freed: no static object may have a destructor.
std::set<std::int64_t>* set_aside = nullptr;

std::int64_t Name(std::string_view bytes) {
  return static_cast<std::int64_t>(hash_bytes_extended(
      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), 0));
}

// A worker may have been killed by others, or have ended because another process died: what it was
// reading then is innocent, so it takes two deaths in a row on the same.
void SetAsideLast(const WorkerContext& context) {
  if (SetAsideMarked(context.queue, CrashRestarts()))
    ereport(WARNING,
            (errmsg("polyglot_sync: workers of server \"%s\" died twice on the same bytes, "
                    "which are set aside",
                    context.server_name.c_str()),
             errhint("Its syncs go on without them; a core file tells more.")));
}

std::int64_t ThingsToNote() {
  std::int64_t things = kThings;
  for (int i = 1; i < std::min(crashes, kLongerTimes); ++i) things *= kLongerEachTime;
  return things;
}

// Of those syncs that can go on.
bool AnythingLeft(const WorkerContext& context) {
  if (context.CompletedScan() == 0 || context.reader->in_pass()) return true;
  return std::any_of(context.syncs.begin(), context.syncs.end(), [](const auto& entry) {
    const SyncRuntime& sync = *entry.second;
    return sync.Sends() &&
           (!sync.keys.empty() || sync.parked.count.rows > 0 || sync.backfill.running);
  });
}

}  // namespace

void LoadCrashGuard(WorkerContext* context) {
  crashes = RecentCrashes();
  careful = crashes > 0;
  noted = 0;
  set_aside = new std::set<std::int64_t>();
  InTransaction([&] {
    if (careful) SetAsideLast(*context);
    ClearMark(context->queue);
    if (CrashRestarts() == 0) DropMarks(context->queue);
    EndSetAside(context->queue);
    for (const std::int64_t item : LoadSetAside(context->queue)) set_aside->insert(item);
  });
}

bool Careful() { return careful; }

void NoteReading(const WorkerContext& context, std::string_view bytes, bool for_long) {
  ++noted;
  note_stands = !for_long;
  InTransaction([&] { MarkReading(context.queue, Name(bytes), CrashRestarts()); });
}

void EndReading(const WorkerContext& context) {
  InTransaction([&] { ClearMark(context.queue); });
  note_stands = false;
}

std::string SetAsideText() {
  if (set_aside == nullptr || set_aside->empty()) return {};
  const std::size_t count = set_aside->size();
  return "workers have died twice on " + std::to_string(count) +
         (count == 1 ? " thing that they read" : " things that they read") +
         " (row, key or verification), set aside for a day";
}

bool IsSetAside(std::string_view bytes) {
  return set_aside != nullptr && !set_aside->empty() && set_aside->contains(Name(bytes));
}

void EndCare(WorkerContext* context, core::Time now) {
  if (!careful) return;
  if (note_stands) EndReading(*context);  // of this turn: what follows is none of its doing
  const bool enough = noted >= ThingsToNote() || now - context->started_at >= kLongestCare;
  if (!enough && AnythingLeft(*context)) return;
  careful = false;
}

}  // namespace polyglot::pg
