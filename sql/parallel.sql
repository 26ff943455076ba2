-- Every view and every function of the schema can be part of a query that has a parallel plan.
SET client_min_messages = warning;
SELECT polyglot.stop_workers();
CREATE SERVER parallel FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
CREATE TABLE parallel (id int PRIMARY KEY, v text);
SELECT polyglot.create_sync('parallel', 'parallel');
INSERT INTO parallel SELECT g, 'x' FROM generate_series(1, 10) g;
CREATE TABLE big AS SELECT g, repeat('x', 100) AS filler FROM generate_series(1, 50000) g;
ANALYZE big;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*) FROM (
  SELECT set_config(name, 'on', false) FROM pg_settings
   WHERE name IN ('force_parallel_mode', 'debug_parallel_query')) s;

CREATE FUNCTION runs(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- By itself, beside a large table, and in a sub-select that a Gather stands above.
CREATE FUNCTION trouble(what text) RETURNS SETOF text LANGUAGE sql AS $$
  SELECT what || ': ' || t FROM unnest(ARRAY[
    runs(format('SELECT * FROM %s', what)),
    runs(format('SELECT v.*, (SELECT count(*) FROM big) FROM %s v', what)),
    runs(format('SELECT count(*) FROM big, %s v WHERE length(big.filler) > 200', what)),
    runs(format('SELECT count(*) FROM big WHERE g = (SELECT count(*) FROM %s)', what))]) t
   WHERE t IS NOT NULL
$$;
SELECT trouble(oid::regclass::text) FROM pg_class
 WHERE relnamespace = 'polyglot'::regnamespace AND relkind = 'v' ORDER BY oid;
SELECT count(*) > 7 AS there_are_views FROM pg_class
 WHERE relnamespace = 'polyglot'::regnamespace AND relkind = 'v';

SET client_min_messages = error;
-- Functions without arguments that return rows, and those that a session may call for one sync.
SELECT trouble(oid::regproc || '()') FROM pg_proc
 WHERE pronamespace = 'polyglot'::regnamespace AND pronargs = 0 AND proretset ORDER BY oid;
SELECT trouble(what) FROM unnest(ARRAY[
  $$polyglot.inspect('parallel', 1)$$, $$polyglot.preview_document('parallel', 1)$$,
  $$polyglot.preview_mapping('parallel')$$, $$polyglot.version()$$,
  $$polyglot.wait_for_sync('parallel', '0s')$$, $$polyglot.run_sync('parallel', '0s')$$]) what;
SELECT trouble(what) FROM unnest(ARRAY[
  $$polyglot.enqueue('parallel', 1)$$, $$polyglot.requeue('parallel')$$,
  $$polyglot.discard('parallel')$$, $$polyglot.reset_counters('parallel')$$,
  $$polyglot.ping('parallel')$$]) what;

-- All but this one look at shared memory or at tables with a snapshot of their own.
SELECT oid::regprocedure FROM pg_proc
 WHERE pronamespace = 'polyglot'::regnamespace AND proparallel <> 'u' ORDER BY 1;

SELECT polyglot.drop_sync('parallel');
DROP SERVER parallel;
DROP TABLE parallel, big;
DROP FUNCTION trouble, runs;
SELECT polyglot.start_workers();
