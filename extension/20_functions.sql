-- Syncs. Who may do what to which sync is checked inside: its table decides (50_grants.sql).
CREATE FUNCTION polyglot.create_sync(
  source regclass,
  server name,
  name text DEFAULT NULL,
  index text DEFAULT NULL,
  capture text DEFAULT 'outbox',
  key name[] DEFAULT NULL,
  columns name[] DEFAULT NULL,
  filter text DEFAULT NULL,
  document text DEFAULT NULL,
  routing name DEFAULT NULL,
  mapping jsonb DEFAULT NULL,
  settings jsonb DEFAULT NULL,
  manage_index boolean DEFAULT true,
  backfill boolean DEFAULT true,
  options jsonb DEFAULT NULL
) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_create_sync';
COMMENT ON FUNCTION polyglot.create_sync(regclass, name, text, text, text, name[], name[], text, text,
  name, jsonb, jsonb, boolean, boolean, jsonb) IS
  'keeps a search index in step with a table from now on; returns the name of the sync';

CREATE FUNCTION polyglot.alter_sync(
  sync text,
  new_name text DEFAULT NULL,
  capture text DEFAULT NULL,
  columns name[] DEFAULT NULL,
  filter text DEFAULT NULL,
  document text DEFAULT NULL,
  routing name DEFAULT NULL,
  mapping jsonb DEFAULT NULL,
  settings jsonb DEFAULT NULL,
  options jsonb DEFAULT NULL,
  reset name[] DEFAULT NULL
) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_alter_sync';
COMMENT ON FUNCTION polyglot.alter_sync(text, text, text, name[], text, text, name, jsonb, jsonb, jsonb,
  name[]) IS 'changes a sync; NULL leaves a property as it is, reset brings back its default';

CREATE FUNCTION polyglot.drop_sync(sync text, drop_index boolean DEFAULT false) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_drop_sync';
COMMENT ON FUNCTION polyglot.drop_sync(text, boolean) IS
  'ends a sync; the index stays unless drop_index is true';

CREATE FUNCTION polyglot.pause_sync(sync text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_pause_sync';
COMMENT ON FUNCTION polyglot.pause_sync(text) IS
  'stops delivery of a sync; its changes are remembered';

CREATE FUNCTION polyglot.resume_sync(sync text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_resume_sync';
COMMENT ON FUNCTION polyglot.resume_sync(text) IS 'goes on with a paused or failed sync';

CREATE FUNCTION polyglot.rebuild_sync(sync text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_rebuild_sync';
COMMENT ON FUNCTION polyglot.rebuild_sync(text) IS
  'fills a new index beside the live one, then lets the alias point to it; returns at once';

CREATE FUNCTION polyglot.wait_for_sync(
  sync text DEFAULT NULL, timeout interval DEFAULT '30s', refresh boolean DEFAULT false
) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_wait_for_sync';
COMMENT ON FUNCTION polyglot.wait_for_sync(text, interval, boolean) IS
  'waits until everything committed before the call is in the index; false: not yet, a WARNING says why';

-- Beside each timeout as an interval: its text, which untyped parameters need, and seconds.
CREATE FUNCTION polyglot.wait_for_sync(sync text, timeout text, refresh boolean DEFAULT false)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_wait_for_sync';
COMMENT ON FUNCTION polyglot.wait_for_sync(text, text, boolean) IS
  'the same, the timeout as the text of an interval';

CREATE FUNCTION polyglot.wait_for_sync(
  sync text, timeout double precision, refresh boolean DEFAULT false
) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_wait_for_sync';
COMMENT ON FUNCTION polyglot.wait_for_sync(text, double precision, boolean) IS
  'the same, the timeout in seconds';

CREATE FUNCTION polyglot.run_sync(
  sync text DEFAULT NULL, timeout interval DEFAULT '30s',
  OUT sync text, OUT delivered bigint, OUT deleted bigint, OUT dead_letters bigint
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_run_sync';
COMMENT ON FUNCTION polyglot.run_sync(text, interval) IS
  'delivers now, without waiting for retry timers, and tells what was done';

CREATE FUNCTION polyglot.run_sync(
  sync text, timeout text,
  OUT sync text, OUT delivered bigint, OUT deleted bigint, OUT dead_letters bigint
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_run_sync';
COMMENT ON FUNCTION polyglot.run_sync(text, text) IS
  'the same, the timeout as the text of an interval';

CREATE FUNCTION polyglot.run_sync(
  sync text, timeout double precision,
  OUT sync text, OUT delivered bigint, OUT deleted bigint, OUT dead_letters bigint
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_run_sync';
COMMENT ON FUNCTION polyglot.run_sync(text, double precision) IS 'the same, the timeout in seconds';

CREATE FUNCTION polyglot.refresh_index(sync text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_refresh_index';
COMMENT ON FUNCTION polyglot.refresh_index(text) IS
  'makes what has been delivered visible to searches';

CREATE FUNCTION polyglot.verify_sync(
  sync text, sample real DEFAULT NULL, wait boolean DEFAULT true,
  timeout interval DEFAULT '10min', OUT key jsonb, OUT document_id text, OUT problem text, OUT detail text
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_verify_sync';
COMMENT ON FUNCTION polyglot.verify_sync(text, real, boolean, interval) IS
  'compares the index with the table, whole or a sample (0 to 1); no rows: they are equal';

CREATE FUNCTION polyglot.repair_sync(sync text, timeout interval DEFAULT '10min') RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_repair_sync';
COMMENT ON FUNCTION polyglot.repair_sync(text, interval) IS
  'compares the index with the table and puts right what differs; returns how many documents';

CREATE FUNCTION polyglot.repair_sync(sync text, timeout text) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_repair_sync';
COMMENT ON FUNCTION polyglot.repair_sync(text, text) IS
  'the same, the timeout as the text of an interval';

CREATE FUNCTION polyglot.repair_sync(sync text, timeout double precision) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_repair_sync';
COMMENT ON FUNCTION polyglot.repair_sync(text, double precision) IS
  'the same, the timeout in seconds';

CREATE FUNCTION polyglot.adopt_sync(sync text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_adopt_sync';
COMMENT ON FUNCTION polyglot.adopt_sync(text) IS
  'lets this database write to an index that another copy of it, or its original, has written';

-- The literal transactional outbox: who may call them is checked inside.
CREATE FUNCTION polyglot.publish(sync text, id text, document jsonb, routing text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_publish';
COMMENT ON FUNCTION polyglot.publish(text, text, jsonb, text) IS
  'puts a document into the index of a published sync when this transaction commits';

-- Ids and routings of other types, numbers for one, are taken in the text form that they have as
-- document ids.
CREATE FUNCTION polyglot.publish(
  sync text, id "any", document jsonb, routing "any" DEFAULT NULL::text
) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_publish';
COMMENT ON FUNCTION polyglot.publish(text, "any", jsonb, "any") IS
  'the same, id and routing of any type';

CREATE FUNCTION polyglot.retract(sync text, id text, routing text DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_retract';
COMMENT ON FUNCTION polyglot.retract(text, text, text) IS
  'removes a published document from the index when this transaction commits';

CREATE FUNCTION polyglot.retract(sync text, id "any", routing "any" DEFAULT NULL::text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_retract';
COMMENT ON FUNCTION polyglot.retract(text, "any", "any") IS 'the same, id and routing of any type';

CREATE FUNCTION polyglot.enqueue(sync text, VARIADIC key "any") RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_enqueue';
COMMENT ON FUNCTION polyglot.enqueue(text, "any") IS
  'has the document of this key built and delivered again';

CREATE FUNCTION polyglot.enqueue(sync text, key text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_enqueue_text';
COMMENT ON FUNCTION polyglot.enqueue(text, text) IS
  'has the document of this key, given as text, built and delivered again';

CREATE FUNCTION polyglot.requeue(
  sync text DEFAULT NULL, document_id text DEFAULT NULL, max integer DEFAULT 1000
) RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_requeue';
COMMENT ON FUNCTION polyglot.requeue(text, text, integer) IS
  'tries dead letters again; returns how many, a NOTICE says when more are left';

CREATE FUNCTION polyglot.requeue(sync text, document_id "any", max integer DEFAULT 1000)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_requeue';
COMMENT ON FUNCTION polyglot.requeue(text, "any", integer) IS 'the same, the id of any type';

CREATE FUNCTION polyglot.discard(
  sync text, document_id text DEFAULT NULL, max integer DEFAULT 1000
) RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_discard';
COMMENT ON FUNCTION polyglot.discard(text, text, integer) IS
  'forgets dead letters; returns how many, a NOTICE says when more are left';

CREATE FUNCTION polyglot.discard(sync text, document_id "any", max integer DEFAULT 1000)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_discard';
COMMENT ON FUNCTION polyglot.discard(text, "any", integer) IS 'the same, the id of any type';

-- Servers and workers.
CREATE FUNCTION polyglot.ping(
  server name,
  OUT node text, OUT product text, OUT version text, OUT cluster text, OUT status text,
  OUT latency interval
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_ping';
COMMENT ON FUNCTION polyglot.ping(name) IS 'asks every node of a search server who and how it is';

CREATE FUNCTION polyglot.stop_workers() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_stop_workers';
COMMENT ON FUNCTION polyglot.stop_workers() IS
  'stops the workers of this database until start_workers; survives restarts';

CREATE FUNCTION polyglot.start_workers() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_start_workers';
COMMENT ON FUNCTION polyglot.start_workers() IS 'lets the workers of this database run again';

CREATE FUNCTION polyglot.reset_counters(sync text DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_reset_counters';
COMMENT ON FUNCTION polyglot.reset_counters(text) IS
  'lets the counters of polyglot.status start at 0 again; NULL: of all syncs of the caller';

CREATE FUNCTION polyglot.drain(timeout interval DEFAULT '5min') RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_drain';
COMMENT ON FUNCTION polyglot.drain(interval) IS
  'waits until every sync of this database is in step and nothing waits; false: not in time';

CREATE FUNCTION polyglot.drain(timeout text) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_drain';
COMMENT ON FUNCTION polyglot.drain(text) IS 'the same, the timeout as the text of an interval';

CREATE FUNCTION polyglot.drain(timeout double precision) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_drain';
COMMENT ON FUNCTION polyglot.drain(double precision) IS 'the same, the timeout in seconds';

CREATE FUNCTION polyglot.version() RETURNS text
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'polyglot_version';
COMMENT ON FUNCTION polyglot.version() IS 'version of the loaded library';
