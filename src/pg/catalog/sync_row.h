#pragma once
// A sync as plain data: its row of polyglot.sync_definition and that of polyglot.sync_state.
// Everything is palloc'd in CurrentMemoryContext; every function needs a transaction and may
// ereport.

#include <initializer_list>

#include "pg/prelude.h"

namespace polyglot::pg {

/// A sync as configured (polyglot.sync_definition) and its durable state (polyglot.sync_state).
/// Strings are NUL-terminated; nullptr means SQL NULL.
struct SyncRow {
  int32 id;
  char* name;
  Oid source;
  char* server_name;
  char* index;  // alias that applications search
  char* capture;
  int key_count;
  AttrNumber key[INDEX_MAX_KEYS];  // of the source relation; order of the key
  char* key_name[INDEX_MAX_KEYS];
  int column_count;  // 0: all
  char** columns;
  char* filter;
  char* document;
  char* routing;           // column name
  AttrNumber routing_att;  // 0: none
  char* mapping;           // JSON text
  char* settings;
  char* options;
  bool manage_index, backfill, paused;
  TimestampTz created_at, counters_since;  // of the last reset_counters; 0: none

  // state; has_state is false for a definition that was restored from a dump
  bool has_state;
  Oid server;
  int32 queue;
  int64 system_identifier;
  Oid database;
  int32 generation;      // 0: no index made yet
  char* physical_index;  // nullptr until there is one
  char* index_uuid;
  bool alias_pending;  // the alias is switched when the first backfill has ended
  int32 epoch;
  int64 timeline, version_bound;  // epoch.h; 0: no worker has seen the sync yet
  char* failed_reason;            // not null: the sync is failed
  char* failed_hint;
  char* failed_detail;   // for the owner of the rows only
  char* phase;           // 'backfill' | 'resync' | 'stream'
  int64 resync_version;  // V of the resync path; 0: none
  char* resync_reason;
  char* backfill_key;  // of the last acknowledged row, packed; nullptr: from the start
  int backfill_key_length;
  int64 backfill_rows, backfill_total;
  int32 last_generation;       // the highest that a name was given to
  TimestampTz outdated_since;  // 0: the live index shows what the table holds
  bool frozen;                 // nothing is delivered to the live index any more
  bool adopt;                  // whoever has written into the index: it is ours
  char* repair_reason;         // not null: index and table must be compared
  TimestampTz repair_since;
  char* last_error;  // what its worker has stored; shared memory may know a later one
  TimestampTz last_error_at;

  // of a generation that is being built
  int32 builds;  // the sync that it is for; 0: this is the live generation
  char* rebuild_reason;
  int64 fewest_documents, most_documents;
  char* restore_settings;

  Oid owner;  // of the source, looked up now
  bool source_exists;
};

SyncRow* LoadSync(const char* name);  // nullptr: no such sync
SyncRow* LoadSyncById(int32 id);
/// All syncs (server = InvalidOid) or those of one server, in order of id. Length in *count.
SyncRow** LoadSyncs(Oid server, int* count);
/// Generations that are being built on this server: `id` is their own, the definition that of the
/// sync in `builds`.
SyncRow** LoadBuildings(Oid server, int* count);
SyncRow* LoadBuildingById(int32 id);
/// The syncs of one source relation.
SyncRow** LoadSyncsOfSource(Oid source, int* count);
/// Like LoadSync, but ERROR 42704 with a hint that lists the view to look at.
SyncRow* LoadSyncOrError(const char* name);

}  // namespace polyglot::pg
