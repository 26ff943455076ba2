#pragma once
// Slots of syncs in shared memory: counters, state and texts, as the views show them.

#include "pg/prelude.h"
#include "pg/shared/shared_state.h"

namespace polyglot::pg {

/// The slot of a sync, or nullptr.
SyncSlot* FindSyncSlot(Oid database, int32 sync);
/// The same for the calling worker, taken now if there is none; nullptr when
/// polyglot_sync.max_syncs is used up.
SyncSlot* AcquireSyncSlot(Oid database, int32 sync, TimestampTz created_at);
void ReleaseSyncSlot(Oid database, int32 sync);
/// Those of syncs that have ended while no worker of theirs was there to tell.
void ReleaseSyncSlotsExcept(Oid database, const int32* syncs, int count);
/// In UTF-8, as all errors that are shown from here.
void SetSyncError(SyncSlot* slot, const char* text);
/// Shown instead of the last error until it is set to "".
void SetSyncNotice(SyncSlot* slot, const char* text, const char* hint);
/// Why the sync is blocked, disconnected, or has no index; "": it is not.
void SetSyncTrouble(SyncSlot* slot, const char* text, bool denied, bool no_index);

}  // namespace polyglot::pg
