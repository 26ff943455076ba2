#pragma once
// Published syncs (create_sync with source => NULL): the documents are the application's own. They
// stand in polyglot.published, in an inheriting table for each sync, which is the sync's source: so
// capture, re-reading, rebuild, repair and dead letters are those of any table. It belongs to the
// owner of the sync's server.

#include "pg/catalog/sync_row.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// Is the relation such a table?
bool IsPublishedSource(Oid source);

/// Makes the table of a new sync. ERROR 42501 unless the caller owns the server.
Oid CreatePublishedSource(const char* sync, Oid server);
/// After the sync has ended. Nothing to do when the table has gone already.
void DropPublishedSource(Oid source);
/// The documents go with the sync's new name; this rewrites every row of the table.
void RenamePublishedSource(const SyncRow* sync, const char* new_name);
/// Runs one statement on it with the rights of its owner, whose triggers may be on it; the number
/// of rows.
uint64 ChangeAsOwner(const SyncRow* sync, const char* sql, int count, Oid* types, Datum* values,
                     const char* nulls);
/// Its name as it stands in SQL.
const char* QualifiedName(Oid source);
/// After ALTER SERVER … OWNER TO.
void FollowServerOwner(Oid server);

/// Remembers the roles that options.publishers names; nullptr: none. `all_must_exist`: ERROR 42704
/// for one that does not; otherwise those are left out.
void StorePublishers(int32 sync, const char* options, bool all_must_exist);

/// Does it inherit from polyglot.published, in whatever schema?
bool IsPublishedTable(Oid relation);

}  // namespace polyglot::pg
