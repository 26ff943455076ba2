#include "pg/worker/state/gate.h"

#include "pg/catalog/sync_state.h"
#include "pg/clock.h"
#include "pg/encoding.h"
#include "pg/shared/sync_slots.h"
#include "pg/worker/state/generations.h"
#include "pg/worker/state/stored_state.h"

namespace polyglot::pg {
namespace {

// Classes whose messages name objects, never values.
bool NamesObjectsOnly(int sqlstate) {
  switch (ERRCODE_TO_CATEGORY(sqlstate)) {
    case MAKE_SQLSTATE('0', 'A', '0', '0', '0'):  // not supported
    case MAKE_SQLSTATE('2', '1', '0', '0', '0'):  // cardinality
    case MAKE_SQLSTATE('2', '8', '0', '0', '0'):  // authorization
    case MAKE_SQLSTATE('3', 'D', '0', '0', '0'):  // database, schema
    case MAKE_SQLSTATE('3', 'F', '0', '0', '0'):
    case MAKE_SQLSTATE('4', '2', '0', '0', '0'):  // names, types, privileges
    case MAKE_SQLSTATE('5', '3', '0', '0', '0'):  // resources, limits, states
    case MAKE_SQLSTATE('5', '4', '0', '0', '0'):
    case MAKE_SQLSTATE('5', '5', '0', '0', '0'):
    case MAKE_SQLSTATE('5', '7', '0', '0', '0'):
    case MAKE_SQLSTATE('5', '8', '0', '0', '0'):
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string PublicText(const PgError& error) {
  if (NamesObjectsOnly(error.sqlstate)) return ReadableInUtf8(error.message);
  std::string text = "reading its rows fails with SQLSTATE ";
  text += unpack_sql_state(error.sqlstate);
  if (error.context[0] != '\0') text += " (" + ReadableInUtf8(error.context) + ")";
  return text;
}

void Postpone(SyncRuntime* sync) {
  constexpr core::Time kRetry{500'000};
  sync->read_at = MonotonicNow() + kRetry;
}

void FailSync(WorkerContext* context, SyncRuntime* sync, const char* reason, const char* hint,
              const char* detail) {
  if (sync->failed) return;
  sync->failed = true;
  if (sync->IsBuilding())
    return RebuildFailed(context, *sync,
                         hint[0] == '\0' ? reason : psprintf("%s; hint: %s", reason, hint));
  if (LockState(sync)) {
    StoreFailed(sync->id, reason, hint[0] == '\0' ? nullptr : hint, detail);
    sync->failure.clear();
  } else {
    sync->failure = reason;
    sync->failure_hint = hint;
  }
  SetSyncError(sync->slot, reason);
  ereport(LOG, (errmsg("polyglot_sync: sync \"%s\" has failed: %s", sync->name.c_str(),
                       ReadableInServer(reason)),
                hint[0] == '\0' ? 0 : errhint("%s", ReadableInServer(hint))));
}

void FailSync(WorkerContext* context, SyncRuntime* sync, const PgError& error) {
  const std::string text = PublicText(error), message = ReadableInUtf8(error.message);
  FailSync(context, sync, text.c_str(), ReadableInUtf8(error.hint).c_str(),
           message == text ? nullptr : message.c_str());
}

void Block(SyncRuntime* sync, core::Time now) {
  sync->blocked = true;
  sync->probing = false;
  sync->blocked_until = now + kBlockedRetry;
}

void Unblock(SyncRuntime* sync) { sync->blocked = sync->probing = false; }

void Hold(SyncRuntime* sync, bool hold) {
  sync->held = hold;
  const bool writable = sync->index.step == IndexStep::kReady && !sync->index.check_before_write;
  sync->channel->delivery().HoldSync(sync->id, hold || !writable || sync->versions.BeyondBound());
}

}  // namespace polyglot::pg
