#pragma once
// polyglot.sync_state: what is stored of a sync beside its definition, one row for each generation.
// Needs a transaction; may ereport.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "pg/prelude.h"

namespace polyglot::pg {

/// Locks the row until the end of the transaction. false: an open transaction of somebody else has
/// it (drop_sync, or DDL that fails the sync), or it is gone: a worker must not wait for him.
bool LockStateRow(std::int32_t sync);
/// `detail` is shown to the owner of the rows only.
void StoreFailed(std::int32_t sync, const char* reason, const char* hint, const char* detail);
/// What status shows after a restart. `at`: TimestampTz.
void StoreLastError(std::int32_t sync, const char* text, std::int64_t at);

struct StoredIndex {
  int generation = 0;
  std::string name, uuid;  // "": none
  bool alias_pending = false;
};
void StoreIndex(std::int32_t sync, const StoredIndex& index);
void StorePhase(std::int32_t sync, const char* phase);
/// nullptr: index and table have been compared.
void StoreRepair(std::int32_t sync, const char* reason);
/// Phase 'resync' from V, cause kept for the log; the backfill starts over.
void StoreResync(std::int32_t sync, std::uint64_t version, const char* reason);

struct StoredBackfill {
  std::string_view acknowledged;  // packed key; empty: from the start
  std::uint64_t rows = 0, total = 0;
  std::int64_t fewest = 0, most = 0;  // so many documents there must be then
};
void StoreBackfill(std::int32_t sync, const StoredBackfill& backfill);
void StoreDocumentCounts(std::int32_t sync, std::int64_t fewest, std::int64_t most);

struct StoredVersions {
  std::uint64_t epoch = 0, bound = 0;
  std::uint32_t timeline = 0;
};
void StoreVersions(std::int32_t sync, const StoredVersions& versions);
/// adopt_sync has been obeyed.
void StoreAdopted(std::int32_t sync);
/// The version that every document of the sync has at least.
std::uint64_t BaselineVersion(std::int32_t sync);
/// Tables that have left the tree of the source (an array of OIDs as text). false: they were known.
bool StoreDepartures(std::int32_t sync, const std::string& tables);

// Generations.

/// Since when searches see an older state (TimestampTz; 0: they do not), and whether it stays.
void StoreOutdated(std::int32_t sync, std::int64_t since, bool frozen);
/// A row for a generation with this number. Returns the generation's own number as a sync; 0: the
/// sync was dropped a moment ago.
std::int32_t InsertBuilding(std::int32_t live, int generation, const std::string& index,
                            const std::string& reason);
/// What the index gets back when it is filled (JSON).
void StoreRestoreSettings(std::int32_t sync, const std::string& settings);
/// The new generation's state, parked keys and dead letters become the sync's.
void StoreHandOver(std::int32_t live, std::int32_t building);
/// A generation goes, with its parked keys and dead letters.
void DeleteGeneration(std::int32_t sync);

// All syncs.

/// Is there one on this server that is not among `known` (an array of numbers as text), and whose
/// table exists?
bool AnyOtherSync(Oid server, const std::string& known);
struct SyncsOfDatabase {
  std::map<std::int32_t, std::string> aliases;  // by number
  std::int32_t last_number = 0;                 // that was ever given
};
SyncsOfDatabase LoadSyncsOfDatabase();

}  // namespace polyglot::pg
