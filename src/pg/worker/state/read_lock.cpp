#include "pg/worker/state/read_lock.h"

#include "pg/clock.h"
#include "pg/encoding.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kRetry{100'000};
constexpr core::Time kLong{3'000'000};  // as of a server that is away
constexpr core::Time kLongRetry{500'000};
constexpr core::Time kShown{1'000'000};

void NoteLocked(SyncRuntime* sync, core::Time now) {
  // Nobody has asked for a while: this is another lock than the last one.
  if (sync->locked_since == core::Time{0} || now - sync->read_at >= kLong) sync->locked_since = now;
  sync->locked = now - sync->locked_since >= kLong;
  sync->read_at = now + (sync->locked ? kLongRetry : kRetry);
}

}  // namespace

bool LockSource(SyncRuntime* sync) {
  const bool got = sync->reader->TryLockRows();
  if (!got) NoteLocked(sync, MonotonicNow());
  return got;
}

bool NoteStatus(SyncRuntime* sync, ReadStatus status) {
  if (status == ReadStatus::kLocked) {
    NoteLocked(sync, MonotonicNow());
  } else {
    sync->locked = false;
    sync->locked_since = core::Time{0};
  }
  return status != ReadStatus::kLocked;
}

std::string LockNotice(const SyncRuntime& sync) {
  if (sync.locked_since == core::Time{0} || MonotonicNow() - sync.locked_since < kShown) return "";
  const std::string table = ReadableInUtf8(sync.reader->locked_table().c_str());
  return "somebody else holds a lock " +
         (table.empty() ? "that reading its rows needs" : "of the table " + table) +
         ": its changes wait for its release";
}

void RetryLocks(WorkerContext* context, core::Time now) {
  for (SyncRuntime* sync : context->Awake())
    if (sync->locked && !sync->failed && now >= sync->read_at)
      InTransaction([&] {
        if (LockSource(sync)) sync->locked = false;
      });
}

}  // namespace polyglot::pg
