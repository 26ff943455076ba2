\echo Use "CREATE EXTENSION polyglot_sync" to load this file. \quit

-- A member of the extension: it goes with it, and a dump has no CREATE SCHEMA of its own.
CREATE SCHEMA polyglot;

-- Functions that the tables below need come first; everything else is in the files that follow.
CREATE FUNCTION polyglot.ignore_replicated() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'polyglot_ignore_replicated';
COMMENT ON FUNCTION polyglot.ignore_replicated() IS
  'keeps rows of the extension''s own tables that arrive by logical replication out of this database';

-- What this database is to its queue: rows of another instance (copied, restored) are not ours.
CREATE TABLE polyglot.instance (
  number integer PRIMARY KEY,
  system_identifier bigint NOT NULL,
  database oid NOT NULL,
  workers_enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE SEQUENCE polyglot.sync_id AS integer;

-- What was configured. Dumped: only portable names here.
CREATE TABLE polyglot.sync_definition (
  id integer PRIMARY KEY DEFAULT pg_catalog.nextval('polyglot.sync_id'),
  name text NOT NULL UNIQUE,
  source regclass NOT NULL,
  server name NOT NULL,
  index text NOT NULL,
  capture text NOT NULL,
  key name[] NOT NULL,
  columns name[],
  filter text,
  document text,
  routing name,
  mapping jsonb,
  settings jsonb,
  manage_index boolean NOT NULL DEFAULT true,
  backfill boolean NOT NULL DEFAULT true,
  options jsonb,
  paused boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  -- The last reset_counters.
  counters_since timestamptz,
  UNIQUE (server, index)
);
CREATE INDEX sync_definition_source ON polyglot.sync_definition (source);
ALTER SEQUENCE polyglot.sync_id OWNED BY polyglot.sync_definition.id;

-- Durable state of a sync in this very database. Never dumped: it is true only here.
CREATE TABLE polyglot.sync_state (
  sync_id integer PRIMARY KEY,
  server oid NOT NULL,
  queue integer NOT NULL,
  system_identifier bigint NOT NULL,
  database oid NOT NULL,
  generation integer NOT NULL DEFAULT 0,
  physical_index text,
  index_uuid text,
  alias_pending boolean NOT NULL DEFAULT false,
  epoch integer NOT NULL DEFAULT 1,
  -- Of the last worker: the timeline it wrote on, and the position that no version of its goes beyond.
  timeline bigint NOT NULL DEFAULT 0,
  version_bound bigint NOT NULL DEFAULT 0,
  failed_reason text,
  failed_hint text,
  -- May quote values of rows: for their owner only.
  failed_detail text,
  phase text NOT NULL DEFAULT 'backfill' CHECK (phase IN ('backfill', 'resync', 'stream')),
  resync_version bigint NOT NULL DEFAULT 0,
  resync_reason text,
  backfill_key bytea,
  backfill_rows bigint NOT NULL DEFAULT 0,
  backfill_total bigint NOT NULL DEFAULT 0,
  -- No document of the sync has a lower version: an older one was put back or left over.
  baseline_version bigint NOT NULL DEFAULT (4503599627370496 OPERATOR(pg_catalog.+)
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0')::bigint),
  -- Of the live generation: the highest generation that a name was given to, and whether the index shows what
  -- the table holds: not since then; not at all any more (nothing is delivered to it).
  last_generation integer NOT NULL DEFAULT 0,
  outdated_since timestamptz,
  frozen boolean NOT NULL DEFAULT false,
  -- Of a generation that is being built: the sync that it is for, why, and how many documents it must have.
  builds integer,
  rebuild_reason text,
  fewest_documents bigint NOT NULL DEFAULT 0,
  most_documents bigint NOT NULL DEFAULT 0,
  restore_settings text,
  -- adopt_sync: whoever wrote into the index, it is ours from now on.
  adopt boolean NOT NULL DEFAULT false,
  -- Somebody else has written into the index: it must be compared with the table.
  repair_reason text,
  repair_since timestamptz NOT NULL DEFAULT pg_catalog.now(),
  -- The last error that was no failure, for status after a restart. Without values of rows.
  last_error text,
  last_error_at timestamptz,
  -- Tables that were seen to have left the source's tree without an event trigger's word.
  departed oid[] NOT NULL DEFAULT '{}'
);

-- Who wants a new generation. Rows, not updates: a worker must never wait for a user's transaction.
CREATE SEQUENCE polyglot.rebuild_number;
CREATE TABLE polyglot.rebuild_request (
  sync_id integer NOT NULL,
  number bigint NOT NULL DEFAULT pg_catalog.nextval('polyglot.rebuild_number'),
  reason text NOT NULL,
  outdated boolean NOT NULL,
  frozen boolean NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  PRIMARY KEY (sync_id, number)
);
ALTER SEQUENCE polyglot.rebuild_number OWNED BY polyglot.rebuild_request.number;

-- Who may publish, beside the owner: the roles that options.publishers named when it was set, whatever
-- their names are by now.
CREATE TABLE polyglot.publisher (
  sync_id integer NOT NULL,
  role oid NOT NULL,
  PRIMARY KEY (sync_id, role)
);

-- One pair of queue tables for each server; server = 0: free for the next server. Its name stands here,
-- too, because pg_upgrade gives foreign servers other OIDs (ResolveServers).
CREATE TABLE polyglot.queue (
  id integer PRIMARY KEY,
  server oid NOT NULL,
  table_a oid NOT NULL,
  table_b oid NOT NULL,
  server_name name NOT NULL
);

-- In this and other tables: a routing that is too long for an index stands in long_routing, and its
-- digest in routing (ShortRouting).

-- Keys whose index cannot take writes now: one row for each, however often it changes.
CREATE TABLE polyglot.parked_key (
  sync_id integer NOT NULL,
  document_id text NOT NULL,
  routing text NOT NULL DEFAULT '',
  has_routing boolean NOT NULL DEFAULT false,
  long_routing text,
  key bytea NOT NULL,
  stamp bigint NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  captured_at timestamptz NOT NULL,
  PRIMARY KEY (sync_id, document_id, routing, has_routing)
);

CREATE TABLE polyglot.dead_letter (
  sync_id integer NOT NULL,
  document_id text NOT NULL,
  routing text NOT NULL DEFAULT '',
  has_routing boolean NOT NULL DEFAULT false,
  long_routing text,
  key bytea NOT NULL,
  operation text NOT NULL,
  version bigint NOT NULL,
  http_status integer,
  error_type text,
  reason text,
  attempts integer NOT NULL DEFAULT 1,
  first_failed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  last_failed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  document text,
  PRIMARY KEY (sync_id, document_id, routing, has_routing)
);

-- The documents of published syncs. Each of these syncs has a table that inherits from this one and is
-- its source: made with the sync, owned by the owner of its server, and dumped, because it is no member
-- of the extension. Not a partition: pg_dump gives one that has a primary key of its parent a second.
CREATE TABLE polyglot.published (
  sync text NOT NULL,
  id text NOT NULL,
  routing text,
  document jsonb NOT NULL,
  PRIMARY KEY (sync, id),
  CONSTRAINT documents_are_in_the_tables_of_syncs CHECK (false) NO INHERIT
);

-- Indexes of dropped syncs, and of generations that nobody needs, that the worker is still to delete.
CREATE TABLE polyglot.dropped_index (
  server oid NOT NULL,
  physical_index text NOT NULL,
  -- Whose user mapping the sync had; 0: unknown, the PUBLIC one.
  owner oid NOT NULL DEFAULT 0,
  alias text NOT NULL,
  -- NULL: it may not have been made, or somebody else may have made it.
  index_uuid text,
  -- Of two generations: the one that the alias does not point to goes.
  unless_aliased boolean NOT NULL DEFAULT false,
  -- Searches that found it by the alias may take until then.
  not_before timestamptz NOT NULL DEFAULT pg_catalog.now(),
  dropped_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (server, physical_index)
);

-- What verify_sync, repair_sync and reconciling have found: the last twenty of each sync.
CREATE TABLE polyglot.verification (
  sync_id integer NOT NULL,
  number bigint NOT NULL,
  started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  finished_at timestamptz,
  sample real NOT NULL DEFAULT 1,
  repair boolean NOT NULL DEFAULT false,
  compared bigint NOT NULL DEFAULT 0,
  missing bigint NOT NULL DEFAULT 0,
  orphan bigint NOT NULL DEFAULT 0,
  different bigint NOT NULL DEFAULT 0,
  stale bigint NOT NULL DEFAULT 0,
  note text,
  PRIMARY KEY (sync_id, number)
);

-- The differences of the last finished one, and of the running one. Without a problem: a candidate
-- that is not judged yet.
CREATE TABLE polyglot.difference (
  sync_id integer NOT NULL,
  number bigint NOT NULL,
  document_id text NOT NULL,
  routing text NOT NULL DEFAULT '',
  has_routing boolean NOT NULL DEFAULT false,
  long_routing text,
  packed_key bytea NOT NULL,
  tries integer NOT NULL DEFAULT 0,
  key jsonb,
  problem text CHECK (problem IN ('missing', 'orphan', 'different', 'stale')),
  detail text,
  repaired boolean NOT NULL DEFAULT false,
  PRIMARY KEY (sync_id, number, document_id, routing, has_routing)
);

-- What a worker is about to read, while it is careful after a crash, what the last one died on, and what
-- workers have died on twice.
CREATE TABLE polyglot.reading (
  queue integer PRIMARY KEY,
  item bigint,
  restarts integer NOT NULL,
  suspect bigint
);
CREATE TABLE polyglot.set_aside (
  queue integer NOT NULL,
  item bigint NOT NULL,
  since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  PRIMARY KEY (queue, item)
);

-- Rows of ours that a subscription applies here are another database's: discarded.
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.instance
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.instance ENABLE REPLICA TRIGGER ignore_replicated;
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.sync_definition
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.sync_definition ENABLE REPLICA TRIGGER ignore_replicated;
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.sync_state
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.sync_state ENABLE REPLICA TRIGGER ignore_replicated;
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.queue
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.queue ENABLE REPLICA TRIGGER ignore_replicated;
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.parked_key
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.parked_key ENABLE REPLICA TRIGGER ignore_replicated;
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.dead_letter
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.dead_letter ENABLE REPLICA TRIGGER ignore_replicated;

CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.dropped_index
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.dropped_index ENABLE REPLICA TRIGGER ignore_replicated;
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.verification
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.verification ENABLE REPLICA TRIGGER ignore_replicated;
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.difference
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.difference ENABLE REPLICA TRIGGER ignore_replicated;
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.rebuild_request
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.rebuild_request ENABLE REPLICA TRIGGER ignore_replicated;
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.publisher
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.publisher ENABLE REPLICA TRIGGER ignore_replicated;

CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.reading
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.reading ENABLE REPLICA TRIGGER ignore_replicated;
CREATE TRIGGER ignore_replicated BEFORE INSERT OR UPDATE OR DELETE ON polyglot.set_aside
  FOR EACH ROW EXECUTE FUNCTION polyglot.ignore_replicated();
ALTER TABLE polyglot.set_aside ENABLE REPLICA TRIGGER ignore_replicated;

INSERT INTO polyglot.instance (number, system_identifier, database)
SELECT 1 + (pg_catalog.random() * 2147483645)::integer, c.system_identifier, d.oid
  FROM pg_catalog.pg_control_system() c, pg_catalog.pg_database d
 WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database();

SELECT pg_catalog.pg_extension_config_dump('polyglot.sync_definition', '');
SELECT pg_catalog.pg_extension_config_dump('polyglot.sync_id', '');

GRANT USAGE ON SCHEMA polyglot TO PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA polyglot FROM PUBLIC;

-- Capture: the trigger of every synced relation.
CREATE FUNCTION polyglot.capture() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'polyglot_capture';
-- Everybody may execute it: PostgreSQL copies the row trigger to a new partition as the user who adds it.
COMMENT ON FUNCTION polyglot.capture() IS 'row and TRUNCATE trigger that records changed keys';
