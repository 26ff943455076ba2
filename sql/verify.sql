-- verify_sync, repair_sync and reconcile: arguments and who may do what. No worker runs here.
SET client_min_messages = warning;
SELECT polyglot.stop_workers();
\i sql/include/tell.sql
CREATE FUNCTION tried(arguments text) RETURNS text LANGUAGE sql AS $$
  SELECT tell(format('SELECT polyglot.create_sync(%s)', arguments))
$$;
CREATE ROLE polyglot_regress_verifier;
CREATE ROLE polyglot_regress_other;
CREATE SERVER verify FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
CREATE TABLE checked (id int PRIMARY KEY, v text);
ALTER TABLE checked OWNER TO polyglot_regress_verifier;
GRANT SELECT, INSERT, UPDATE ON checked TO polyglot_regress_other;
SELECT polyglot.create_sync('checked', 'verify');

SELECT tell($$SELECT * FROM polyglot.verify_sync('nobody')$$) AS unknown;
SELECT tell($$SELECT polyglot.repair_sync('nobody')$$) AS unknown;
SELECT tell($$SELECT * FROM polyglot.verify_sync(NULL)$$) AS no_name;
SELECT tell($$SELECT * FROM polyglot.verify_sync('checked', sample => 0)$$) AS sample;
SELECT tell($$SELECT * FROM polyglot.verify_sync('checked', sample => 1.5)$$) AS sample;
SET ROLE polyglot_regress_other;
SELECT tell($$SELECT * FROM polyglot.verify_sync('checked')$$) AS a_writer;
SELECT tell($$SELECT polyglot.repair_sync('checked')$$) AS a_writer;
SET ROLE polyglot_regress_verifier;
SELECT tell($$SELECT * FROM polyglot.verify_sync('checked')$$) LIKE '55000 cannot verify sync "checked": %' AS the_owner;
SELECT tell($$SELECT polyglot.repair_sync('checked')$$) LIKE '55000 cannot verify sync "checked": %' AS the_owner;
RESET ROLE;
SELECT polyglot.pause_sync('checked');
SELECT tell($$SELECT * FROM polyglot.verify_sync('checked', wait => false)$$) AS paused;

-- The views show syncs on tables of one's own.
INSERT INTO polyglot.verification (sync_id, number, finished_at, compared, missing)
SELECT id, 1, now(), 10, 1 FROM polyglot.sync_definition;
INSERT INTO polyglot.verification (sync_id, number, finished_at, compared, sample)
SELECT id, 2, now(), 1, 0.1 FROM polyglot.sync_definition;
INSERT INTO polyglot.difference (sync_id, number, document_id, packed_key, key, problem, detail)
SELECT id, 2, '7', '\x', '{"id": 7}', 'missing', 'quotes a row' FROM polyglot.sync_definition;
INSERT INTO polyglot.difference (sync_id, number, document_id, packed_key)
SELECT id, 2, 'a candidate', '\x' FROM polyglot.sync_definition;
SELECT sync, key, document_id, routing, problem, detail, repaired FROM polyglot.differences;
SELECT sync, compared, missing, orphan, different, stale, sample FROM polyglot.verifications ORDER BY started_at;
SELECT last_verified IS NOT NULL AS verified, last_differences FROM polyglot.status WHERE sync = 'checked';
SET ROLE polyglot_regress_other;
SELECT count(*) FROM polyglot.differences;
SELECT count(*) FROM polyglot.verifications;
SELECT tell('SELECT * FROM polyglot.difference') AS our_table;
SET ROLE polyglot_regress_verifier;
SELECT sync, document_id, problem, detail FROM polyglot.differences;
RESET ROLE;

-- The option.
SELECT tell($$SELECT polyglot.alter_sync('checked', options => '{"reconcile": "1 day"}')$$);
SELECT tell($$SELECT polyglot.alter_sync('checked', options => '{"reconcile": "0.5 seconds"}')$$);
SELECT tell($$SELECT polyglot.alter_sync('checked', options => '{"reconcile": 60}')$$);
SELECT tell($$SELECT polyglot.alter_sync('checked', options => '{"reconcile": "often"}')$$);

-- capture => 'none': for what cannot be captured, and only on a schedule.
CREATE VIEW seen AS SELECT * FROM checked;
CREATE MATERIALIZED VIEW kept AS SELECT * FROM checked;
CREATE SEQUENCE counted;
SELECT tried($$'checked', 'verify', name => 'x', capture => 'none', options => '{"reconcile": "1h"}'$$);
SELECT tried($$'counted', 'verify', capture => 'none', key => '{id}', options => '{"reconcile": "1h"}'$$);
SELECT tried($$'seen', 'verify', capture => 'none', key => '{id}'$$);
SELECT tried($$'seen', 'verify', capture => 'none', options => '{"reconcile": "1h"}'$$);
SELECT tried($$'seen', 'verify', capture => 'none', key => '{nothing}', options => '{"reconcile": "1h"}'$$);
SELECT tried($$'seen', 'verify', capture => 'none', key => '{id}', options => '{"reconcile": "1h"}'$$);
SELECT tried($$'kept', 'verify', capture => 'none', key => '{id}', options => '{"reconcile": "1h"}'$$);
SELECT tell($$SELECT polyglot.alter_sync('seen', filter => 'id > 0')$$);
SELECT tell($$SELECT polyglot.alter_sync('seen', options => '{}')$$);
SELECT tell($$SELECT polyglot.alter_sync('seen', reset => '{options}')$$);
SELECT tell($$SELECT polyglot.wait_for_sync('seen', '0s')$$);
SELECT sync, capture, key, filter FROM polyglot.syncs ORDER BY sync;
SELECT count(*) AS triggers FROM pg_trigger WHERE tgrelid IN ('seen'::regclass, 'kept'::regclass);
DROP VIEW seen;
DROP MATERIALIZED VIEW kept;
SELECT sync FROM polyglot.syncs;
SELECT polyglot.drop_sync('checked');
SELECT count(*) FROM polyglot.verification;
SELECT count(*) FROM polyglot.difference;

DROP SERVER verify;
DROP TABLE checked;
DROP SEQUENCE counted;
DROP ROLE polyglot_regress_verifier, polyglot_regress_other;
DROP FUNCTION tried, tell;
SELECT polyglot.start_workers();
