-- create, alter, pause, resume, drop; what the views show; what stays and what goes.
SET client_min_messages = warning;
-- No worker, so that nothing moves by itself.
SELECT polyglot.stop_workers();
CREATE SERVER life FOREIGN DATA WRAPPER polyglot_sync
  OPTIONS (url 'http://127.0.0.1:9', index_prefix 'shop-');
CREATE TABLE shelf (id int PRIMARY KEY, label text, room text);
CREATE VIEW our_triggers AS
  SELECT tgrelid::regclass AS relation, regexp_replace(tgname, '\d+', 'OID') AS trigger, tgenabled
    FROM pg_trigger WHERE tgname ~ '^polyglot_';
RESET client_min_messages;

BEGIN;
SELECT polyglot.create_sync('shelf', 'life');
ROLLBACK;
SELECT count(*) FROM polyglot.syncs;
SELECT * FROM our_triggers ORDER BY 1, 2;

SELECT polyglot.create_sync('shelf', 'life');
SELECT polyglot.create_sync('shelf', 'life', 'shelf by room', index => 'rooms', routing => 'room',
  columns => '{id,label}', filter => 'label IS NOT NULL', mapping => '{"dynamic": true}');
SELECT polyglot.create_sync('shelf', 'life', 'foreign', index => 'theirs', manage_index => false,
  backfill => false, document => 'jsonb_build_object(''label'', label)');
SELECT * FROM our_triggers ORDER BY 1, 2;
SELECT sync, source, server, index, generation, capture, key, columns, filter, document, routing,
       mapping, manage_index, owner::text = current_user AS mine
  FROM polyglot.syncs ORDER BY sync;
SELECT sync_id IS NOT NULL AS state, phase, resync_reason FROM polyglot.sync_state ORDER BY sync_id;

-- Changing what documents are needs a new index; a name alone does not.
-- (As if the worker had made the indexes of two of them.)
UPDATE polyglot.sync_state SET generation = 1, phase = 'stream', failed_reason = 'something'
 WHERE sync_id IN (SELECT id FROM polyglot.sync_definition WHERE name IN ('shelf', 'shelf by room'));
SELECT polyglot.alter_sync('shelf', new_name => 'shelves');
SELECT polyglot.alter_sync('shelf by room', filter => 'id > 0', columns => '{label}');
SELECT polyglot.alter_sync('foreign', reset => '{document}');
SELECT sync, columns, filter, document, routing FROM polyglot.syncs ORDER BY sync;
SELECT polyglot.rebuild_sync('shelves');
SELECT d.name, s.phase, s.failed_reason, r.reason, r.outdated, r.frozen
  FROM polyglot.sync_definition d JOIN polyglot.sync_state s ON s.sync_id = d.id
  LEFT JOIN polyglot.rebuild_request r ON r.sync_id = d.id ORDER BY 1;

SELECT polyglot.pause_sync('shelves');
SELECT sync, state FROM polyglot.status WHERE sync = 'shelves';
SELECT polyglot.wait_for_sync('shelves', '0s');
SELECT polyglot.resume_sync('shelves');
SELECT polyglot.pause_sync('nobody');

-- Waiting for one's own uncommitted changes would be for ever.
BEGIN;
INSERT INTO shelf VALUES (1, 'one', 'hall');
SELECT polyglot.wait_for_sync('shelves', '0s');
ROLLBACK;
BEGIN;
SELECT polyglot.enqueue('shelves', 42);
SELECT polyglot.run_sync('shelves', '0s');
ROLLBACK;

-- Keys of every form.
SELECT polyglot.enqueue('shelves', 42);
SELECT polyglot.enqueue('shelves', '42');
SELECT polyglot.enqueue('shelves', '{"id": 42}'::jsonb);
SELECT polyglot.enqueue('shelves', 'forty-two');
SELECT polyglot.enqueue('shelves', 1, 2);

-- Dead letters.
INSERT INTO polyglot.dead_letter (sync_id, document_id, key, operation, version, reason, document)
SELECT id, n, '\x', 'index', 1, 'the server''s words', '{}'
  FROM polyglot.sync_definition, generate_series(1, 3) n WHERE name = 'shelves';
SELECT sync, document_id, operation, reason, document FROM polyglot.dead_letters ORDER BY 2;
SELECT dead_letters FROM polyglot.status WHERE sync = 'shelves';
SELECT polyglot.discard('shelves', '2');
SELECT polyglot.discard('shelves', max => 1);
SELECT polyglot.discard('shelves', max => -1);
SELECT polyglot.discard('shelves');

-- The triggers are shared: they go with the last sync.
SELECT polyglot.drop_sync('shelves');
SELECT polyglot.drop_sync('foreign', drop_index => true);
SELECT polyglot.drop_sync('foreign');
SELECT count(*) FROM our_triggers;
SELECT polyglot.drop_sync('shelf by room', drop_index => true);
SELECT count(*) FROM our_triggers;
SELECT count(*) FROM polyglot.sync_state;

-- 50 in one statement, on one server, with one pair of queue tables.
SET client_min_messages = warning;
DO $$ BEGIN
  FOR i IN 1..50 LOOP EXECUTE format('CREATE TABLE many_%s (id int PRIMARY KEY)', i); END LOOP;
END $$;
SELECT count(polyglot.create_sync(c.oid, 'life')) FROM pg_class c
 WHERE relname LIKE 'many\_%' AND relkind = 'r';
SELECT count(*), min(index) FROM polyglot.syncs;
SELECT count(*) FROM polyglot.queue WHERE server <> 0;
SELECT relname, relpersistence, reltoastrelid = 0 AS no_toast, reloptions FROM pg_class
 WHERE relnamespace = 'polyglot'::regnamespace AND relname LIKE 'queue\_1\__';
SELECT count(*) FROM pg_depend d WHERE refclassid = 'pg_foreign_server'::regclass
   AND objid IN (SELECT table_a FROM polyglot.queue);
DROP SERVER life CASCADE;
SELECT count(*) FROM polyglot.syncs;
SELECT count(*) FROM our_triggers;
SELECT count(*) FROM polyglot.queue WHERE server <> 0;

-- The pair serves the next server.
SELECT count(*) AS pairs FROM polyglot.queue \gset
CREATE SERVER life FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
SELECT polyglot.create_sync('shelf', 'life', manage_index => false);
SELECT count(*) - :pairs AS new, count(*) FILTER (WHERE server <> 0) AS used FROM polyglot.queue;

-- Stored, so that it survives restarts.
SELECT polyglot.stop_workers();
SELECT workers_enabled FROM polyglot.instance;
SELECT polyglot.start_workers();
SELECT workers_enabled FROM polyglot.instance;

DROP VIEW our_triggers;
DROP TABLE shelf CASCADE;
SELECT count(*) FROM polyglot.sync_definition;
DROP SERVER life;
DO $$ BEGIN
  FOR i IN 1..50 LOOP EXECUTE format('DROP TABLE many_%s', i); END LOOP;
END $$;
