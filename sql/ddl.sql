-- What DDL on tables and servers does to syncs.
SET client_min_messages = warning;
-- No worker, so that nothing moves by itself.
SELECT polyglot.stop_workers();
CREATE SERVER ddl FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE person (id int PRIMARY KEY, code text NOT NULL UNIQUE, mood mood, town text);
CREATE TABLE crowd (id int PRIMARY KEY, label text) PARTITION BY RANGE (id);
CREATE TABLE crowd_1 PARTITION OF crowd FOR VALUES FROM (0) TO (100);
CREATE VIEW our_triggers AS
  SELECT tgrelid::regclass AS relation, regexp_replace(tgname, '\d+', 'OID') AS trigger, tgenabled
    FROM pg_trigger WHERE tgname ~ '^polyglot_';
SELECT polyglot.create_sync('person', 'ddl', columns => '{id,mood}', routing => 'town');
SELECT polyglot.create_sync('person', 'ddl', 'by_code', key => '{code}');
SELECT polyglot.create_sync('crowd', 'ddl');
RESET client_min_messages;

-- Partitions come and go.
CREATE TABLE crowd_2 PARTITION OF crowd FOR VALUES FROM (100) TO (200);
CREATE TABLE crowd_3 (id int PRIMARY KEY, label text);
ALTER TABLE crowd ATTACH PARTITION crowd_3 FOR VALUES FROM (200) TO (300);
SELECT * FROM our_triggers WHERE relation::text LIKE 'crowd%' ORDER BY 1, 2;
ALTER TABLE crowd DETACH PARTITION crowd_3;
DROP TABLE crowd_1;
SELECT * FROM our_triggers WHERE relation::text LIKE 'crowd%' ORDER BY 1, 2;

-- Triggers that were switched off, renamed or dropped are restored.
ALTER TABLE person DISABLE TRIGGER ALL;
ALTER TABLE crowd_2 ENABLE TRIGGER ALL;
SELECT tgenabled, count(*) FROM our_triggers GROUP BY 1;
DO $$ BEGIN
  EXECUTE format('DROP TRIGGER polyglot_capture_%s ON person', 'person'::regclass::oid);
  EXECUTE format('ALTER TRIGGER polyglot_truncate_%1$s ON person RENAME TO mine',
                 'person'::regclass::oid);
END $$;
SELECT tgname FROM pg_trigger WHERE tgname = 'mine';
SELECT * FROM our_triggers WHERE relation = 'person'::regclass ORDER BY 2;

-- Names follow.
ALTER TABLE person RENAME COLUMN id TO person_id;
ALTER TABLE person RENAME COLUMN town TO city;
ALTER TABLE person RENAME TO human;
ALTER SERVER ddl RENAME TO ddl2;
SELECT sync, source, server, key, columns, routing FROM polyglot.syncs ORDER BY sync;

-- Changes of content go through without harm; the queue says that everything is to be compared.
ALTER TABLE human ALTER COLUMN city TYPE varchar(50);
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
ALTER TABLE human ADD COLUMN extra int DEFAULT 1;
SELECT sync, state = 'failed' AS failed FROM polyglot.status ORDER BY sync;

-- A sync without its key or columns fails, and says how to go on.
ALTER TABLE human DROP CONSTRAINT person_code_key;
ALTER TABLE human DROP COLUMN mood;
SELECT sync, last_error FROM polyglot.status WHERE state = 'failed' ORDER BY sync;
SELECT polyglot.resume_sync('by_code');
ALTER TABLE human ADD UNIQUE (code);
SELECT polyglot.resume_sync('by_code');
SELECT polyglot.alter_sync('person', columns => '{person_id}');
SELECT sync, last_error FROM polyglot.status WHERE state = 'failed' ORDER BY sync;

-- Tables that inherit come and go.
CREATE TABLE human_child (PRIMARY KEY (person_id)) INHERITS (human);
CREATE TABLE guest (LIKE human);
ALTER TABLE guest INHERIT human;
CREATE UNLOGGED TABLE human_draft () INHERITS (human_child);
SELECT * FROM our_triggers WHERE relation::text !~ 'crowd' ORDER BY 1, 2;
SELECT sync, last_error FROM polyglot.status WHERE state = 'failed' ORDER BY sync;
DROP TABLE human_draft;
SELECT polyglot.resume_sync('person');
-- A foreign table below a source cannot be captured, however it comes there.
CREATE FOREIGN DATA WRAPPER elsewhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;
CREATE FOREIGN TABLE human_elsewhere () INHERITS (human) SERVER elsewhere;
SELECT sync, last_error FROM polyglot.status WHERE state = 'failed' ORDER BY sync;
ALTER FOREIGN TABLE human_elsewhere NO INHERIT human;
SELECT polyglot.resume_sync('person');
ALTER FOREIGN TABLE human_elsewhere INHERIT human;
SELECT sync, last_error FROM polyglot.status WHERE state = 'failed' ORDER BY sync;
DROP FOREIGN DATA WRAPPER elsewhere CASCADE;
SELECT polyglot.resume_sync('person');
ALTER TABLE guest NO INHERIT human;
SELECT * FROM our_triggers WHERE relation::text !~ 'crowd' ORDER BY 1, 2;
SELECT sync, last_error FROM polyglot.status WHERE state = 'failed' ORDER BY sync;

-- Dropping.
DROP SERVER ddl2;
DROP TABLE crowd;
SELECT sync FROM polyglot.syncs ORDER BY sync;
DROP SERVER ddl2 CASCADE;
SELECT count(*) FROM polyglot.sync_definition;
SELECT count(*) FROM our_triggers;
DROP VIEW our_triggers;
DROP TABLE human, human_child, guest, crowd_3;
DROP TYPE mood;
SELECT polyglot.start_workers();

-- A row as a whole has all columns.
SET client_min_messages = warning;
SELECT polyglot.stop_workers();
CREATE SERVER whole FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE feeling AS (now mood);
CREATE TABLE whole_row (id int PRIMARY KEY, f feeling);
CREATE TABLE its_parts (id int PRIMARY KEY, f feeling);
SELECT polyglot.create_sync('whole_row', 'whole', document => 'pg_catalog.to_jsonb(whole_row)');
SELECT polyglot.create_sync('its_parts', 'whole', document => 'pg_catalog.jsonb_build_object(''id'', id)');
ALTER TABLE whole_row ADD COLUMN c int DEFAULT 5;
ALTER TABLE its_parts ADD COLUMN c int DEFAULT 5;
SELECT d.name, r.reason FROM polyglot.rebuild_request r JOIN polyglot.sync_definition d ON d.id = r.sync_id ORDER BY 1;
DELETE FROM polyglot.rebuild_request;
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
SELECT d.name, r.reason FROM polyglot.rebuild_request r JOIN polyglot.sync_definition d ON d.id = r.sync_id ORDER BY 1;
DROP SERVER whole CASCADE;
DROP TABLE whole_row, its_parts;
DROP TYPE feeling, mood;
SELECT polyglot.start_workers();
