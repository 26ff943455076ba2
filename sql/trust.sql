-- Owners of tables and of published syncs gain nothing by what they may do to their own objects.
SET client_min_messages = warning;
SELECT polyglot.stop_workers();
CREATE ROLE polyglot_regress_app;
CREATE SERVER trust FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
ALTER SERVER trust OWNER TO polyglot_regress_app;
CREATE SCHEMA trust AUTHORIZATION polyglot_regress_app;
CREATE TABLE trust.victim (id text PRIMARY KEY);
SELECT polyglot.create_sync('trust.victim', 'trust');
RESET client_min_messages;

-- Triggers on the table of a published sync run as its owner when the sync is renamed.
SET ROLE polyglot_regress_app;
SET search_path = trust;
SELECT polyglot.create_sync(NULL, 'trust', 'events');
SELECT polyglot.publish('events', '1', '{}');
CREATE TABLE trust.ran (as_whom name);
CREATE FUNCTION trust.spy() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO trust.ran VALUES (current_user); RETURN NULL; END$$;
DO $$ BEGIN EXECUTE format('CREATE TRIGGER spy BEFORE UPDATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION trust.spy()',
  (SELECT c.oid::regclass FROM pg_class c WHERE relname ~ '^published_' AND relkind = 'r'
    AND relowner = 'polyglot_regress_app'::regrole)); END $$;
SELECT polyglot.alter_sync('events', new_name => 'news');
SELECT DISTINCT as_whom FROM trust.ran;
RESET ROLE;
SELECT sync, id FROM polyglot.published;
SET ROLE polyglot_regress_app;

-- The name of a trigger is not believed: events are recorded for the table's own tree only.
CREATE TABLE trust.own (id bigint PRIMARY KEY);
SELECT polyglot.create_sync('trust.own', 'trust');
DO $$ BEGIN EXECUTE format('ALTER TRIGGER polyglot_capture_%s ON trust.own RENAME TO polyglot_capture_%s',
  'trust.own'::regclass::oid, 'trust.victim'::regclass::oid); END $$;
DO $$ BEGIN EXECUTE format('ALTER TRIGGER polyglot_truncate_%s ON trust.own RENAME TO polyglot_truncate_%s',
  'trust.own'::regclass::oid, 'trust.victim'::regclass::oid); END $$;
INSERT INTO trust.own VALUES (42);
TRUNCATE trust.own;
RESET ROLE;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'trust.own'::regclass AND tgname LIKE 'polyglot%';
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'trust.own'::regclass
  AND tgname LIKE 'polyglot%' || 'trust.victim'::regclass::oid;
SELECT sync, operation, key FROM polyglot.outbox WHERE sync IN ('victim', 'own');
SELECT d.name FROM polyglot.rebuild_request r JOIN polyglot.sync_definition d ON d.id = r.sync_id
 WHERE d.name = 'victim';
-- Without our event triggers nobody puts the names right; a dump has such names, too.
ALTER EVENT TRIGGER polyglot_watch_ddl DISABLE;
DO $$ BEGIN EXECUTE format('ALTER TRIGGER polyglot_capture_%s ON trust.own RENAME TO polyglot_capture_%s',
  'trust.own'::regclass::oid, 'trust.victim'::regclass::oid); END $$;
DO $$ BEGIN EXECUTE format('ALTER TRIGGER polyglot_truncate_%s ON trust.own RENAME TO polyglot_truncate_%s',
  'trust.own'::regclass::oid, 'trust.victim'::regclass::oid); END $$;
ALTER EVENT TRIGGER polyglot_watch_ddl ENABLE ALWAYS;
INSERT INTO trust.own VALUES (43);
TRUNCATE trust.own;
SELECT sync, operation FROM polyglot.outbox WHERE sync = 'victim';
SELECT d.name FROM polyglot.rebuild_request r JOIN polyglot.sync_definition d ON d.id = r.sync_id
 WHERE d.name = 'victim';

-- Nobody makes triggers whose end would be taken for news of somebody's table.
SET ROLE polyglot_regress_app;
CREATE TABLE trust.bait (id integer);
CREATE FUNCTION trust.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
\set VERBOSITY sqlstate
DO $$ BEGIN EXECUTE format('CREATE TRIGGER polyglot_capture_%s AFTER INSERT ON trust.bait EXECUTE FUNCTION trust.nothing()',
  'trust.victim'::regclass::oid); END $$;
CREATE TRIGGER bait AFTER INSERT ON trust.bait EXECUTE FUNCTION trust.nothing();
DO $$ BEGIN EXECUTE format('ALTER TRIGGER bait ON trust.bait RENAME TO polyglot_truncate_%s',
  'trust.victim'::regclass::oid); END $$;
RESET ROLE;
\set VERBOSITY default
RESET search_path;

SET client_min_messages = warning;
DROP SERVER trust CASCADE;
DROP SCHEMA trust CASCADE;
DROP ROLE polyglot_regress_app;
SELECT polyglot.start_workers();
