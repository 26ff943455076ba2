-- Ordinary roles: owners, members, readers, writers, monitors, strangers.
SET client_min_messages = warning;
-- No worker, so that nothing moves by itself.
SELECT polyglot.stop_workers();
\i sql/include/tell.sql
CREATE ROLE polyglot_regress_owner;
CREATE ROLE polyglot_regress_member IN ROLE polyglot_regress_owner;
CREATE ROLE polyglot_regress_reader;
CREATE ROLE polyglot_regress_writer;
CREATE ROLE polyglot_regress_monitor IN ROLE pg_monitor;
CREATE ROLE polyglot_regress_stranger;
CREATE SCHEMA priv AUTHORIZATION polyglot_regress_owner;
GRANT USAGE ON SCHEMA priv TO PUBLIC;
CREATE SERVER priv FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');

SET ROLE polyglot_regress_owner;
CREATE TABLE priv.thing (id int PRIMARY KEY, secret text);
GRANT SELECT ON priv.thing TO polyglot_regress_reader;
GRANT INSERT ON priv.thing TO polyglot_regress_writer;
SELECT tell($$SELECT polyglot.create_sync('priv.thing', 'priv')$$) AS no_usage_on_server;
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER priv TO polyglot_regress_owner, polyglot_regress_stranger;
SET ROLE polyglot_regress_stranger;
SELECT tell($$SELECT polyglot.create_sync('priv.thing', 'priv')$$) AS not_the_owner;
SET ROLE polyglot_regress_owner;
SELECT polyglot.create_sync('priv.thing', 'priv');
SET ROLE polyglot_regress_member;
SELECT tell($$SELECT polyglot.alter_sync('thing', filter => 'id > 0')$$) AS a_member_may;
RESET ROLE;
INSERT INTO polyglot.dead_letter (sync_id, document_id, key, operation, version, reason, document)
SELECT id, '1', '\x', 'index', 1, 'quotes a row', '{}' FROM polyglot.sync_definition;

-- An ordinary writer's changes are recorded, though it may not touch anything of ours.
SET ROLE polyglot_regress_writer;
INSERT INTO priv.thing VALUES (1, 'x');
SELECT tell('SELECT count(*) FROM polyglot.sync_definition') AS our_table;
SELECT tell('SELECT count(*) FROM polyglot.queue_1_a') AS queue;
SELECT tell($$SELECT polyglot.enqueue('thing', 1)$$) AS enqueue;
SELECT tell($$SELECT polyglot.wait_for_sync('thing', '0s')$$) AS wait;
SELECT count(*) FROM polyglot.status;
SET ROLE polyglot_regress_reader;
SELECT tell($$SELECT polyglot.enqueue('thing', 1)$$) AS enqueue;
SELECT tell($$SELECT polyglot.wait_for_sync('thing', '0s')$$) AS wait;
SELECT count(*) FROM polyglot.syncs;
SET ROLE polyglot_regress_stranger;
SELECT tell($$SELECT polyglot.enqueue('thing', 1)$$) AS enqueue;
SELECT tell($$SELECT polyglot.wait_for_sync('thing', '0s')$$) AS wait;
SELECT polyglot.wait_for_sync(NULL, '0s') AS nothing_to_wait_for;
SELECT tell($$SELECT polyglot.alter_sync('thing', filter => 'true')$$) AS alter;
SELECT tell($$SELECT polyglot.pause_sync('thing')$$) AS pause;
SELECT tell($$SELECT polyglot.resume_sync('thing')$$) AS resume;
SELECT tell($$SELECT polyglot.drop_sync('thing')$$) AS drop;
SELECT tell($$SELECT polyglot.refresh_index('thing')$$) AS refresh;
SELECT tell($$SELECT polyglot.requeue('thing')$$) AS requeue;
SELECT polyglot.requeue() AS none_of_its_own;
SELECT tell($$SELECT polyglot.reset_counters('thing')$$) AS reset;
SELECT polyglot.reset_counters() AS none_of_its_own;
SELECT count(counters_since) FROM polyglot.status;
SELECT tell($$SELECT polyglot.discard('thing')$$) AS discard;
SELECT tell($$SELECT polyglot.stop_workers()$$) AS stop;
SELECT tell($$SELECT polyglot.start_workers()$$) AS start;
SELECT tell($$SELECT polyglot.drain()$$) AS drain;
SELECT count(*) FROM polyglot.dead_letters;
SELECT server FROM polyglot.servers;

-- Monitors see everything but what rows contain.
SET ROLE polyglot_regress_monitor;
SELECT sync, owner FROM polyglot.syncs;
SELECT sync, source FROM polyglot.status;
SELECT sync, document_id, reason, document FROM polyglot.dead_letters;
SELECT role FROM polyglot.workers WHERE role = 'launcher';
SET ROLE polyglot_regress_member;
SELECT sync, document_id, reason, document FROM polyglot.dead_letters;
SELECT polyglot.drop_sync('thing');
RESET ROLE;

-- What PUBLIC may execute.
SELECT p.oid::regprocedure FROM pg_proc p
 WHERE pronamespace = 'polyglot'::regnamespace AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
 ORDER BY p.oid::regprocedure::text;

DROP SERVER priv;
DROP SCHEMA priv CASCADE;
DROP ROLE polyglot_regress_owner, polyglot_regress_member, polyglot_regress_reader,
  polyglot_regress_writer, polyglot_regress_monitor, polyglot_regress_stranger;
DROP FUNCTION tell;
SELECT polyglot.start_workers();
