#pragma once
// Who may see or use what of a sync.

#include "pg/catalog/sync_row.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// Is the caller a member of pg_monitor?
bool IsMonitor();
/// Does the caller own the source, or has the privileges of its owner?
bool OwnsSource(const SyncRow* sync);
/// May the caller see the sync in views: monitors and owners.
bool MaySee(const SyncRow* sync);
/// SELECT on the source.
bool MayRead(const SyncRow* sync);
void CheckMayRead(const SyncRow* sync);
/// A document shows what the source's owner sees: only those may look at one who could read the
/// same rows themselves, all of them; and those who have the owner's privileges.
void CheckMaySeeRows(const SyncRow* sync);
/// INSERT or UPDATE on the source, else ERROR 42501.
void CheckMayEnqueue(const SyncRow* sync);
/// The workers of this database: superusers and its owner, not on a standby; else ERROR 42501,
/// 25006.
void CheckMayControl(const char* function);
/// Monitors and those who may use the server.
bool MaySeeServer(Oid server);

}  // namespace polyglot::pg
