\echo Use "CREATE EXTENSION polyglot_sync" to load this file. \quit

-- A member of the extension: it goes with it, and a dump has no CREATE SCHEMA of its own.
CREATE SCHEMA polyglot;
COMMENT ON SCHEMA polyglot IS 'tables, views and functions of the extension polyglot_sync';

-- Functions that the tables below need come first; everything else is in the files that follow.
CREATE FUNCTION polyglot.ignore_replicated() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'polyglot_ignore_replicated';
COMMENT ON FUNCTION polyglot.ignore_replicated() IS
  'keeps rows of the extension''s own tables that arrive by logical replication out of this database';

CREATE TABLE polyglot.instance (
  number integer PRIMARY KEY,
  system_identifier bigint NOT NULL,
  database oid NOT NULL,
  workers_enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE polyglot.instance IS
  'what this database is to its queue: rows of another instance (copied, restored) are not its own';

CREATE SEQUENCE polyglot.sync_id AS integer;
COMMENT ON SEQUENCE polyglot.sync_id IS
  'numbers of syncs, and of generations that are being built';

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
  counters_since timestamptz,
  UNIQUE (server, index)
);
COMMENT ON TABLE polyglot.sync_definition IS
  'what was configured; dumped, so nothing but portable names stands here';
CREATE INDEX sync_definition_source ON polyglot.sync_definition (source);
ALTER SEQUENCE polyglot.sync_id OWNED BY polyglot.sync_definition.id;

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
  timeline bigint NOT NULL DEFAULT 0,
  version_bound bigint NOT NULL DEFAULT 0,
  failed_reason text,
  failed_hint text,
  failed_detail text,
  phase text NOT NULL DEFAULT 'backfill' CHECK (phase IN ('backfill', 'resync', 'stream')),
  resync_version bigint NOT NULL DEFAULT 0,
  resync_reason text,
  backfill_key bytea,
  backfill_rows bigint NOT NULL DEFAULT 0,
  backfill_total bigint NOT NULL DEFAULT 0,
  baseline_version bigint NOT NULL DEFAULT (4503599627370496 OPERATOR(pg_catalog.+)
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0')::bigint),
  last_generation integer NOT NULL DEFAULT 0,
  outdated_since timestamptz,
  frozen boolean NOT NULL DEFAULT false,
  builds integer,
  rebuild_reason text,
  fewest_documents bigint NOT NULL DEFAULT 0,
  most_documents bigint NOT NULL DEFAULT 0,
  restore_settings text,
  adopt boolean NOT NULL DEFAULT false,
  repair_reason text,
  repair_since timestamptz NOT NULL DEFAULT pg_catalog.now(),
  last_error text,
  last_error_at timestamptz,
  departed oid[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE polyglot.sync_state IS
  'durable state of syncs, a row for each generation; never dumped: it is true in this database only';

CREATE SEQUENCE polyglot.rebuild_number;
COMMENT ON SEQUENCE polyglot.rebuild_number IS 'numbers of requests for a new generation';

-- Rows, not updates of the state: a worker must never wait for a user's transaction.
CREATE TABLE polyglot.rebuild_request (
  sync_id integer NOT NULL,
  number bigint NOT NULL DEFAULT pg_catalog.nextval('polyglot.rebuild_number'),
  reason text NOT NULL,
  outdated boolean NOT NULL,
  frozen boolean NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  PRIMARY KEY (sync_id, number)
);
COMMENT ON TABLE polyglot.rebuild_request IS 'new generations that are asked for';
ALTER SEQUENCE polyglot.rebuild_number OWNED BY polyglot.rebuild_request.number;

CREATE TABLE polyglot.publisher (
  sync_id integer NOT NULL,
  role oid NOT NULL,
  PRIMARY KEY (sync_id, role)
);
COMMENT ON TABLE polyglot.publisher IS 'who may publish to a sync, beside its owner';

CREATE TABLE polyglot.queue (
  id integer PRIMARY KEY,
  server oid NOT NULL,
  table_a oid NOT NULL,
  table_b oid NOT NULL,
  server_name name NOT NULL
);
COMMENT ON TABLE polyglot.queue IS 'the pair of queue tables of each server';

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
COMMENT ON TABLE polyglot.parked_key IS
  'keys whose index cannot take writes now: one row for each, however often it changes';

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
COMMENT ON TABLE polyglot.dead_letter IS
  'documents that the server does not accept, and rows that cannot be read';

-- The table of each published sync is made with the sync, owned by the owner of its server, and dumped,
-- because it is no member of the extension. Not a partition: pg_dump gives one that has a primary key of
-- its parent a second.
CREATE TABLE polyglot.published (
  sync text NOT NULL,
  id text NOT NULL,
  routing text,
  document jsonb NOT NULL,
  PRIMARY KEY (sync, id),
  CONSTRAINT documents_are_in_the_tables_of_syncs CHECK (false) NO INHERIT
);
COMMENT ON TABLE polyglot.published IS
  'documents of published syncs: each has a table that inherits from this one and is its source';

CREATE TABLE polyglot.dropped_index (
  server oid NOT NULL,
  physical_index text NOT NULL,
  owner oid NOT NULL DEFAULT 0,
  alias text NOT NULL,
  index_uuid text,
  unless_aliased boolean NOT NULL DEFAULT false,
  not_before timestamptz NOT NULL DEFAULT pg_catalog.now(),
  dropped_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (server, physical_index)
);
COMMENT ON TABLE polyglot.dropped_index IS
  'indexes of dropped syncs, and of generations that nobody needs, that the worker is still to delete';

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
COMMENT ON TABLE polyglot.verification IS
  'what verify_sync, repair_sync and reconcile have found: the last twenty runs of each sync';

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
COMMENT ON TABLE polyglot.difference IS
  'differences of the last finished verification of each sync, and of the running one';

CREATE TABLE polyglot.reading (
  queue integer PRIMARY KEY,
  item bigint,
  restarts integer NOT NULL,
  suspect bigint
);
COMMENT ON TABLE polyglot.reading IS
  'what a worker is about to read, while it is careful after a crash, and what the last one died on';

CREATE TABLE polyglot.set_aside (
  queue integer NOT NULL,
  item bigint NOT NULL,
  since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  PRIMARY KEY (queue, item)
);
COMMENT ON TABLE polyglot.set_aside IS 'what workers have died on twice: not read again for a day';

-- Rows of ours that a subscription applies here are another database's: discarded. polyglot.published has no
-- such trigger: no row can stand in it, and what inherits from it gets one of its own when it is made
-- (src/pg/definition/published_source.cpp). sql/own_objects.sql finds a table that was forgotten.
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
