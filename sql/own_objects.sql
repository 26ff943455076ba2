-- What the extension itself consists of stays where everything looks for it.
SET client_min_messages = warning;
SELECT polyglot.stop_workers();
CREATE SERVER own FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
CREATE TABLE thing (id int PRIMARY KEY);
SELECT polyglot.create_sync('thing', 'own');
SELECT polyglot.create_sync(NULL, 'own', 'letters');
RESET client_min_messages;

-- Rows that a subscription brings are discarded in all of our tables, in those of published syncs too. Queue
-- rows name their instance; in the parent of the published tables no row can stand.
SELECT c.oid::regclass FROM pg_class c
 WHERE c.relnamespace = 'polyglot'::regnamespace AND c.relkind IN ('r', 'p')
   AND c.oid NOT IN (SELECT unnest(ARRAY[table_a, table_b]) FROM polyglot.queue)
   AND NOT EXISTS (SELECT FROM pg_trigger t
         WHERE t.tgrelid = c.oid AND t.tgname = 'ignore_replicated' AND t.tgenabled = 'R' AND t.tgtype = 31
           AND t.tgfoid = 'polyglot.ignore_replicated'::regproc);

ALTER SCHEMA polyglot RENAME TO elsewhere;
ALTER TABLE polyglot.sync_state RENAME TO state;
ALTER TABLE polyglot.sync_state RENAME COLUMN queue TO number;
ALTER TABLE polyglot.sync_state DROP COLUMN queue;
ALTER TABLE polyglot.sync_state ALTER COLUMN queue TYPE bigint;
ALTER TABLE polyglot.parked_key DROP CONSTRAINT parked_key_pkey;
ALTER TABLE polyglot.sync_definition SET SCHEMA public;
ALTER SEQUENCE polyglot.sync_id RENAME TO number;
ALTER VIEW polyglot.status SET SCHEMA public;
ALTER FUNCTION polyglot.capture() RENAME TO record;
ALTER FUNCTION polyglot.publish(text, text, jsonb, text) SET SCHEMA public;
ALTER EXTENSION polyglot_sync DROP TABLE polyglot.queue;
ALTER EXTENSION polyglot_sync DROP FUNCTION polyglot.capture();
ALTER EXTENSION polyglot_sync SET SCHEMA public;
DO $$ BEGIN
  EXECUTE format('ALTER TABLE %s SET SCHEMA public', (SELECT source::regclass FROM polyglot.sync_definition WHERE name = 'letters'));
EXCEPTION WHEN dependent_objects_still_exist THEN RAISE NOTICE 'refused';
END $$;
DROP SCHEMA polyglot;
-- What changes no name and no column is the administrator's business.
ALTER TABLE polyglot.verification SET (fillfactor = 90);
ALTER TABLE polyglot.verification RESET (fillfactor);
CREATE SCHEMA other;
CREATE TABLE other.thing (id int PRIMARY KEY);
ALTER TABLE other.thing RENAME COLUMN id TO key;
ALTER TABLE other.thing RENAME TO other_thing;
ALTER SCHEMA other RENAME TO another;

-- Where nobody refuses it no change is lost.
ALTER EVENT TRIGGER polyglot_watch_ddl DISABLE;
ALTER SCHEMA polyglot RENAME TO elsewhere;
INSERT INTO thing VALUES (1);
CREATE SCHEMA polyglot;
\c
INSERT INTO thing VALUES (2);
TRUNCATE thing;
DROP SCHEMA polyglot;
ALTER TABLE elsewhere.queue RENAME TO queues;
\c
INSERT INTO thing VALUES (3);
ALTER TABLE elsewhere.queues RENAME TO queue;
ALTER TABLE elsewhere.sync_definition RENAME TO definition;
\c
INSERT INTO thing VALUES (4);
ALTER TABLE elsewhere.definition RENAME TO sync_definition;
ALTER SCHEMA elsewhere RENAME TO polyglot;
ALTER EVENT TRIGGER polyglot_watch_ddl ENABLE ALWAYS;
INSERT INTO thing VALUES (5);
SELECT operation, document_id FROM polyglot.outbox ORDER BY document_id;
SELECT id FROM thing ORDER BY id;

SET client_min_messages = warning;
DROP SERVER own CASCADE;
DROP TABLE thing, another.other_thing;
DROP SCHEMA another;
SELECT polyglot.start_workers();
