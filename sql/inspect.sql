-- inspect: its lines, its keys and who may call it. No worker runs here: the index is not asked.
SET client_min_messages = warning;
SELECT polyglot.stop_workers();
\i sql/include/tell.sql
CREATE ROLE polyglot_regress_reader;
CREATE ROLE polyglot_regress_stranger;
CREATE SERVER inspected FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
CREATE TABLE looked_at (id int, part text, v text, PRIMARY KEY (part, id));
SELECT polyglot.create_sync('looked_at', 'inspected', filter => 'v IS NOT NULL');
INSERT INTO looked_at VALUES (1, 'a,b', 'x'), (2, 'a', NULL);
UPDATE looked_at SET v = 'y' WHERE id = 1;

-- The time at which a change was made is cut off.
CREATE FUNCTION seen(statement text) RETURNS TABLE (check_name text, result text, detail text) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE format($f$SELECT check_name, result, regexp_replace(detail, 'since .*;', 'since …;') FROM %s$f$, statement);
END $$;
SELECT * FROM seen($$polyglot.inspect('looked_at', 'a,b', 1)$$);
SELECT * FROM seen($$polyglot.inspect('looked_at', 'a\,b,1')$$) WHERE check_name IN ('row', 'queue');
SELECT * FROM seen($$polyglot.inspect('looked_at', '{"part": "a", "id": 2}'::jsonb)$$) WHERE check_name IN ('row', 'filter');
SELECT * FROM seen($$polyglot.inspect('looked_at', VARIADIC ARRAY['a', '3'])$$) WHERE check_name IN ('row', 'filter', 'queue');
SELECT polyglot.pause_sync('looked_at');
INSERT INTO polyglot.parked_key (sync_id, document_id, key, stamp, captured_at)
SELECT id, 'a\,b,1', '\x', 1, now() - interval '90 min' FROM polyglot.sync_definition;
INSERT INTO polyglot.dead_letter (sync_id, document_id, key, operation, version, http_status, error_type, reason)
SELECT id, 'a\,b,1', '\x', 'index', 1, 400, 'mapper_parsing_exception', 'quotes a row' FROM polyglot.sync_definition;
SELECT check_name, result, regexp_replace(regexp_replace(detail, 'since .*\(', 'since … ('), 'at .*: map', 'at …: map') AS detail
  FROM polyglot.inspect('looked_at', 'a,b', 1) WHERE check_name IN ('verdict', 'sync', 'parked', 'dead letter');

SELECT tell($$SELECT * FROM polyglot.inspect('nobody', 1)$$);
SELECT tell($$SELECT * FROM polyglot.inspect(NULL, 1)$$);
SELECT tell($$SELECT * FROM polyglot.inspect('looked_at', NULL::text)$$);
SELECT tell($$SELECT * FROM polyglot.inspect('looked_at', 1)$$);
SELECT tell($$SELECT * FROM polyglot.inspect('looked_at', 'a', 'no number')$$);
SELECT tell($$SELECT * FROM polyglot.inspect('looked_at', 'a', NULL::int)$$);

-- SELECT on the table, all of it; the reason of a dead letter is for the owner.
SET ROLE polyglot_regress_stranger;
SELECT tell($$SELECT * FROM polyglot.inspect('looked_at', 'a', 1)$$);
RESET ROLE;
GRANT SELECT (id) ON looked_at TO polyglot_regress_reader;
SET ROLE polyglot_regress_reader;
SELECT tell($$SELECT * FROM polyglot.inspect('looked_at', 'a', 1)$$);
RESET ROLE;
GRANT SELECT ON looked_at TO polyglot_regress_reader;
SET ROLE polyglot_regress_reader;
SELECT check_name, result, regexp_replace(detail, 'at .*: map', 'at …: map') AS detail
  FROM polyglot.inspect('looked_at', 'a,b', 1) WHERE check_name = 'dead letter';
RESET ROLE;
ALTER TABLE looked_at ENABLE ROW LEVEL SECURITY;
SET ROLE polyglot_regress_reader;
SELECT tell($$SELECT * FROM polyglot.inspect('looked_at', 'a', 1)$$);
RESET ROLE;
ALTER TABLE looked_at DISABLE ROW LEVEL SECURITY;

SELECT polyglot.drop_sync('looked_at');
DROP SERVER inspected;
DROP TABLE looked_at;
DROP ROLE polyglot_regress_reader, polyglot_regress_stranger;
DROP FUNCTION seen, tell;
SELECT polyglot.start_workers();
