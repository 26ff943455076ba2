-- What functions say when they cannot do, or not yet, what they are asked for.
SET client_min_messages = notice;
SELECT polyglot.stop_workers();
\i sql/include/tell.sql
CREATE SERVER waiting FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
CREATE TABLE waits (id int PRIMARY KEY, quantity int, v text);
SELECT polyglot.create_sync('waits', 'waiting');
INSERT INTO waits VALUES (1, 1, 'a'), (2, 2, 'b');

-- Nothing will come of waiting: at once, with the reason. Timeouts are intervals, texts, seconds.
SELECT polyglot.wait_for_sync('waits');
SELECT polyglot.wait_for_sync('waits', interval '1 min');
SELECT polyglot.wait_for_sync('waits', 60);
SELECT polyglot.wait_for_sync('waits', '1 min', true);
SELECT polyglot.wait_for_sync('waits', NULL);
SELECT polyglot.wait_for_sync(timeout => '1 min', sync => 'waits');
SELECT polyglot.wait_for_sync(timeout => '1 min');
PREPARE waiting AS SELECT polyglot.wait_for_sync($1, $2);
EXECUTE waiting('waits', '60 s');
SELECT * FROM polyglot.run_sync('waits', 60);
SELECT * FROM polyglot.run_sync('waits', '60 s');
SELECT tell($$SELECT polyglot.wait_for_sync('waits', 'soon')$$);
SELECT tell($$SELECT polyglot.wait_for_sync('waits', 'NaN'::float8)$$);
SELECT tell($$SELECT polyglot.verify_sync('waits')$$);
SELECT tell($$SELECT polyglot.repair_sync('waits', 60)$$);
SELECT tell($$SELECT polyglot.repair_sync('waits', '60 s')$$);
SELECT polyglot.drain(0);
SELECT polyglot.drain('0 s');
SELECT sync, state, queued, pending, lag > '0' AS late, problem, hint FROM polyglot.status;

-- A definition that came with a dump, then the state of another database.
BEGIN;
DELETE FROM polyglot.sync_state;
SELECT tell(s) FROM unnest(ARRAY['SELECT polyglot.resume_sync(''waits'')', 'SELECT polyglot.rebuild_sync(''waits'')',
  'SELECT polyglot.verify_sync(''waits'')', 'SELECT polyglot.repair_sync(''waits'')', 'SELECT polyglot.refresh_index(''waits'')']) s;
SELECT state, lag, problem, hint FROM polyglot.status;
ROLLBACK;
BEGIN;
UPDATE polyglot.sync_state SET database = 1;
SELECT tell(s) FROM unnest(ARRAY['SELECT polyglot.resume_sync(''waits'')', 'SELECT polyglot.rebuild_sync(''waits'')',
  'SELECT polyglot.verify_sync(''waits'')', 'SELECT polyglot.repair_sync(''waits'')', 'SELECT polyglot.refresh_index(''waits'')']) s;
ROLLBACK;

-- More dead letters than were asked for; ids of any type.
INSERT INTO polyglot.dead_letter (sync_id, document_id, key, operation, version, reason)
SELECT id, g, '\x', 'index', 1, 'refused' FROM polyglot.sync_definition, generate_series(1, 5) g;
SELECT polyglot.discard('waits', max => 2);
SELECT polyglot.discard('waits', 3);
SELECT polyglot.discard('waits', '4');
SELECT polyglot.discard('waits', document_id => 99, max => 1);
SELECT polyglot.discard('waits', NULL, 0);
SELECT polyglot.requeue('waits', 5, 0);
SELECT polyglot.requeue(max => 0);
SELECT polyglot.discard('waits', NULL::int);
SELECT polyglot.discard('waits');

SELECT polyglot.create_sync(NULL, 'waiting', 'events');
SELECT polyglot.publish('events', 42, '{"a": 1}');
SELECT polyglot.publish('events', '43', '{"a": 1}', 7);
SELECT polyglot.publish('events', 4.5, '{"a": 1}', date '2026-01-02');
SELECT polyglot.publish('events', 'pad'::char(10), '{"a": 1}', 'r');
SET DateStyle = 'SQL, DMY';
SELECT polyglot.publish('events', date '2026-01-02', '{"a": 1}', NULL);
RESET DateStyle;
PREPARE publishing AS SELECT polyglot.publish($1, $2, $3);
EXECUTE publishing('events', '44', '{}');
SELECT id, routing FROM polyglot.published ORDER BY id;
SELECT polyglot.retract('events', 42);
SELECT polyglot.retract('events', 43, 7);
SELECT id FROM polyglot.published ORDER BY id;
SELECT tell($$SELECT polyglot.publish('events', NULL::int, '{}')$$);
SELECT tell($$SELECT polyglot.publish('events', 1, NULL)$$);
SELECT tell($$SELECT polyglot.publish(NULL, 1, '{}')$$);

-- Errors in expressions show the expression and name the sync.
SELECT polyglot.create_sync('waits', 'waiting', 'x', filter => 'quantity >');
SELECT polyglot.create_sync('waits', 'waiting', 'x', filter => 'quantty > 1');
SELECT polyglot.create_sync('waits', 'waiting', 'x', filter => '(quantity > 1');
SELECT polyglot.create_sync('waits', 'waiting', 'x', document => 'jsonb_build_object(''v'', vv)');
SELECT polyglot.create_sync('waits', 'waiting', 'x', document => '');
SELECT polyglot.create_sync('waits', 'waiting', 'x', filter => 'true) FROM waits --');
SELECT polyglot.create_sync('waits', 'waiting', 'x', filter => 'quantity');
SELECT polyglot.alter_sync('waits', filter => 'v LIKE');
SELECT polyglot.alter_sync('waits', document => 'nothing(id)');

DROP SERVER waiting CASCADE;
DROP TABLE waits;
DROP FUNCTION tell;
SELECT polyglot.start_workers();
