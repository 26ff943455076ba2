#include "pg/worker/crash_guard.h"

#include <algorithm>
#include <set>

#include "pg/catalog/crash_marks.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kLongestCare{600'000'000};
// Care takes a commit for each thing. One that kills is mostly among the first, since a worker goes
// on where the last one was; if not, the next one is careful for longer.
constexpr int kThings = 200, kLongerEachTime = 4, kLongerTimes = 8;

bool careful = false;
std::int64_t noted = 0;
// Never freed: no static object may have a destructor.
std::set<std::int64_t>* set_aside = nullptr;

std::int64_t Name(std::string_view bytes) {
  return static_cast<std::int64_t>(hash_bytes_extended(
      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), 0));
}

// What the last worker was reading when it died, if it was this postmaster that restarted since.
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
  for (int i = 1; i < std::min(CrashRestarts(), kLongerTimes); ++i) things *= kLongerEachTime;
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
  careful = CrashRestarts() > 0;
  noted = 0;
  set_aside = new std::set<std::int64_t>();
  InTransaction([&] {
    if (careful) SetAsideLast(*context);
    ForgetMarks(context->queue);
    for (const std::int64_t item : LoadSetAside(context->queue)) set_aside->insert(item);
  });
}

bool Careful() { return careful; }

void NoteReading(const WorkerContext& context, std::string_view bytes) {
  ++noted;
  InTransaction([&] { MarkReading(context.queue, Name(bytes), CrashRestarts()); });
}

void EndReading(const WorkerContext& context) {
  InTransaction([&] { ForgetMarks(context.queue); });
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
  const bool enough = noted >= ThingsToNote() || now - context->started_at >= kLongestCare;
  if (!enough && AnythingLeft(*context)) return;
  careful = false;
  if (noted > 0) InTransaction([&] { ForgetMarks(context->queue); });
}

}  // namespace polyglot::pg
