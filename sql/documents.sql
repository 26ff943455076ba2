-- Every type and edge value as a document, and the mappings derived from the types.
-- PostGIS and pgvector are not installed where this runs: a stand-in for a geometry is used below.
SET client_min_messages = error;  -- whether the library is preloaded does not matter here
SET timezone = 'America/New_York';
SET datestyle = 'SQL, DMY';
SET extra_float_digits = -5;
SET intervalstyle = 'sql_standard';
SET bytea_output = 'escape';
CREATE SCHEMA doc;
SET search_path = doc, public;
CREATE SERVER doc_search FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');

CREATE FUNCTION show(sync text, key text) RETURNS TABLE (field text, value json) LANGUAGE sql AS
$$ SELECT k, v::json FROM jsonb_each(polyglot.preview_document(sync, key)) AS e(k, v) ORDER BY k COLLATE "C" $$;

-- numbers, booleans, texts
CREATE DOMAIN price AS numeric(12,2) CHECK (VALUE >= 0);
CREATE TABLE scalars (
  id integer PRIMARY KEY, i2 smallint, i8 bigint, o oid, f4 real, f8 double precision, n numeric, n18 numeric(18,0), n19 numeric(19,0),
  money_ money, p price, b boolean, t text, v varchar(20), c char(6), nm name, ch "char", u uuid, m macaddr, bits bit(4), vb varbit, lsn pg_lsn,
  tsv tsvector, tm time, tmz timetz, iv interval, pt point, bx box, ip inet, net cidr, d date, ts timestamp, tz timestamptz, ba bytea, jb jsonb, js json, x xml);
INSERT INTO scalars VALUES
 (1, -32768, 9223372036854775807, 4294967295, 0.1, 0.1, 1.500, 123456789012345678, 1, 1234.5, 3, true, E'quote " backslash \\ tab \t é 漢 😀', 'v', 'ab', 'nm',
  'x', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '08:00:2b:01:02:03', B'1010', B'1', '16/B374D848', 'fat cat', '04:05:06.789', '04:05:06+02',
  '1 year 2 mons 3 days 04:05:06.5', '(1.5,2)', '(1,1),(0,0)', '192.168.0.1', '10.0.0.0/8', '2024-02-29', '2024-02-29 12:34:56.123456',
  '2024-02-29 12:34:56.5+02', '\x00ff10', '{"b": [1, {"c": null}], "a": "x"}', '{"b":1, "b":2}', '<a>1</a>'),
 (2, 0, -9223372036854775808, 0, 'NaN', 'Infinity', 'NaN', 0, 0, -0.01, 0.005, false, '', '', '', '', '', NULL, NULL, NULL, '', '0/0', '', '24:00:00', '00:00:00-15:59',
  '-1 day', NULL, NULL, '192.168.0.1/24', '::/0', 'infinity', '-infinity', 'infinity', '', '[]', '"x"', NULL),
 (3, NULL, 0, NULL, 3.4028235e10, 1.7976931348623157e20, -0.000, -1, NULL, NULL, NULL, NULL, E'\x01\x1f', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, 'fe80::1', '10.1.2.3', '0044-03-15 BC', '10000-01-01 00:00:00.001', '0001-01-01 00:00:00+00', NULL, 'null', 'true', NULL),
 (4, 1, 1, 1, -0.0, 5e-7, 1e30, NULL, NULL, NULL, NULL, NULL, repeat('x', 10), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '9999-12-31', '9999-12-31 23:59:59.999999', '4713-11-24 00:00:00+00 BC', NULL, '{"n": 1.50, "big": 12345678901234567890.1}', '{}', NULL);
SELECT polyglot.create_sync('scalars', 'doc_search', 'scalars');
SELECT * FROM show('scalars', '1');
SELECT * FROM show('scalars', '2') WHERE value::text <> 'null';
SELECT * FROM show('scalars', '3') WHERE value::text <> 'null';
SELECT * FROM show('scalars', '4') WHERE value::text <> 'null';
SELECT jsonb_pretty(polyglot.preview_mapping('scalars'));

-- numbers that servers refuse are strings
CREATE TABLE long_numbers (id integer PRIMARY KEY, n numeric, j jsonb);
INSERT INTO long_numbers VALUES (1, ('1' || repeat('0', 999))::numeric, NULL), (2, ('1' || repeat('0', 1000))::numeric, jsonb_build_object('n', ('1' || repeat('0', 1000))::numeric));
SELECT polyglot.create_sync('long_numbers', 'doc_search', 'long_numbers');
SELECT i, jsonb_typeof(d->'n'), length(d->>'n'), jsonb_typeof(d->'j'->'n') FROM generate_series(1, 2) i, polyglot.preview_document('long_numbers', i) d;

-- arrays, composites, ranges, domains, enums
CREATE TYPE mood AS ENUM ('sad', 'ok, fine', 'happy "!"');
CREATE TYPE inner_t AS (x integer, y text[]);
CREATE TYPE outer_t AS (a inner_t, "b c" timestamptz, m mood);
CREATE DOMAIN moods AS mood[];
CREATE DOMAIN whole AS outer_t;
CREATE TYPE textrange AS RANGE (subtype = text, collation = "C");
CREATE TABLE nested (
  id integer PRIMARY KEY, ia integer[], ta text[], ja jsonb[], ma moods, ba bytea[], tza timestamptz[], iv int2vector, ov oidvector, m mood, c outer_t, ca outer_t[], w whole,
  i4 int4range, i8 int8range, nr numrange, dr daterange, tr tsrange, tzr tstzrange, xr textrange, mr int4multirange, ra daterange[], fa double precision[]);
INSERT INTO nested VALUES
 (1, '{{1,2},{NULL,4}}', '{a,"b,c",NULL,"\"q\""}', ARRAY['{"a":1}', NULL, '[2]']::jsonb[], '{sad,"ok, fine"}', '{"\\x01",NULL}', '{2024-01-01 00:00:00+00,infinity}', '1 2 3', '4 5', 'happy "!"',
  ROW(ROW(1, '{p,q}'), '2024-01-01 00:00:00+00', 'sad'), ARRAY[ROW(ROW(NULL, NULL), NULL, NULL), NULL]::outer_t[], ROW(NULL, NULL, 'sad'),
  '[1,5)', '(,5]', '(1.5,2.50]', '[2024-01-01,2024-01-31]', '(2024-01-01 00:00,)', '[2024-01-01 00:00+02,infinity)', '[a,b)', '{[1,2),[5,7)}', '{"[2024-01-01,2024-01-02)",empty,NULL}', '{0.1,NaN,-Infinity}'),
 (2, '{}', '[2:3]={a,b}', '{}', '{}', '{}', '{}', '', '', NULL, NULL, '{}', NULL, 'empty', '(,)', '[-infinity,1]', '(-infinity,2024-01-01)', 'empty', '(,)', '(,)', '{}', '{}', '{{{1}}}');
SELECT polyglot.create_sync('nested', 'doc_search', 'nested');
SELECT * FROM show('nested', '1');
SELECT * FROM show('nested', '2');
SELECT jsonb_pretty(polyglot.preview_mapping('nested'));

-- a composite type that changes, dropped and added columns, a generated one
CREATE TABLE part (x integer, y integer);
CREATE TABLE changing (id integer PRIMARY KEY, gone text, p part, g integer GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO changing (id, gone, p) VALUES (1, 'g', ROW(1, 2));
SELECT polyglot.create_sync('changing', 'doc_search', 'changing');
SELECT polyglot.preview_document('changing', 1);
ALTER TABLE changing DROP COLUMN gone;
ALTER TABLE changing ADD COLUMN added text DEFAULT 'new';
ALTER TABLE part ADD COLUMN z integer;
ALTER TABLE part RENAME COLUMN x TO renamed;
SELECT polyglot.preview_document('changing', 1);

-- columns, filter, routing; a document expression
CREATE TABLE products (id integer PRIMARY KEY, name text, price numeric(10,2), active boolean, tenant text);
INSERT INTO products VALUES (1, 'one', 10, true, 'a'), (2, 'two', 0, false, 'b'), (3, 'three', 30, NULL, NULL);
SELECT polyglot.create_sync('products', 'doc_search', 'p1', columns => '{price,name}', filter => 'active', routing => 'tenant');
SELECT polyglot.create_sync('products', 'doc_search', 'p2', document => $$pg_catalog.jsonb_build_object('n', name, 'inverse', 100 / price) -- per unit$$);
SELECT polyglot.create_sync('products', 'doc_search', 'p3', filter => 'products.active -- only these', document => 'pg_catalog.to_jsonb(products)');
SELECT polyglot.create_sync('products', 'doc_search', 'p4', document => 'CASE WHEN id = 1 THEN pg_catalog.to_jsonb(name) END');
SELECT i, polyglot.preview_document('p1', i) FROM generate_series(1, 4) i;
SELECT polyglot.preview_document('p2', 1);
SELECT polyglot.preview_document('p2', 2);
SELECT i, polyglot.preview_document('p3', i) FROM generate_series(1, 3) i;
SELECT polyglot.preview_document('p4', 1);
SELECT polyglot.preview_document('p4', 2);

-- keys
CREATE TABLE k2 (a integer, b text COLLATE "C", c date, v text, PRIMARY KEY (b, a, c));
INSERT INTO k2 VALUES (1, 'x,y', '2024-03-04', 'first'), (1, 'x', '2024-03-04', 'second');
SELECT polyglot.create_sync('k2', 'doc_search', 'k2');
SELECT key FROM polyglot.syncs WHERE sync = 'k2';
SELECT polyglot.preview_document('k2', 'x,y', 1, date '2024-03-04') ->> 'v';
SELECT polyglot.preview_document('k2', VARIADIC ARRAY['x', '1', '04/03/2024']) ->> 'v';
SELECT polyglot.preview_document('k2', '{"a": 1, "b": "x", "c": "2024-03-04"}'::jsonb) ->> 'v';
SELECT polyglot.preview_document('k2', '{"a": 1, "b": "x,y", "c": "2024-03-04"}') ->> 'v';
SELECT polyglot.preview_document('k2', 'x\,y,1,2024-03-04') ->> 'v';
CREATE TABLE knum (k numeric PRIMARY KEY, v text);
INSERT INTO knum VALUES (1.00, 'numeric');
CREATE TABLE kchar (k char(5) PRIMARY KEY, v text);
INSERT INTO kchar VALUES ('ab', 'padded');
CREATE TABLE kenum (k mood, v text, r int4range, PRIMARY KEY (k, r));
INSERT INTO kenum VALUES ('ok, fine', 'enum and range', '[1,2]');
CREATE DOMAIN dkey AS varchar(10) CHECK (VALUE <> 'no');
CREATE TABLE kdomain (k dkey PRIMARY KEY, v text);
INSERT INTO kdomain VALUES ('yes', 'domain');
CREATE TABLE karray (k integer[] PRIMARY KEY, v text);
INSERT INTO karray VALUES ('{1,2}', 'array');
CREATE TABLE kuuid (k uuid PRIMARY KEY, v timestamptz);
INSERT INTO kuuid VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '2024-01-01 00:00:00+00');
CREATE TABLE "K ""weird""" ("Key" bigint PRIMARY KEY, "a ""b"" \" text, "select" integer);
INSERT INTO "K ""weird""" VALUES (1, 'quoted', 2);
CREATE TABLE kpart (id bigint, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE kpart_eu PARTITION OF kpart FOR VALUES IN ('eu');
CREATE TABLE kpart_rest PARTITION OF kpart DEFAULT;
INSERT INTO kpart VALUES (1, 'eu', 'leaf'), (1, 'us', 'rest');
SELECT polyglot.create_sync(r::regclass, 'doc_search', n) FROM (VALUES ('knum', 'knum'), ('kchar', 'kchar'), ('kenum', 'kenum'), ('kdomain', 'kdomain'), ('karray', 'karray'),
  ('kuuid', 'kuuid'), ('"K ""weird"""', 'weird'), ('kpart', 'kpart')) s(r, n);
SELECT polyglot.preview_document('knum', 1), polyglot.preview_document('knum', 1.0), polyglot.preview_document('knum', '1.00');
SELECT polyglot.preview_document('kchar', 'ab'), polyglot.preview_document('kchar', 'ab   '::char(5));
SELECT polyglot.preview_document('kenum', 'ok, fine'::mood, int4range(1, 3)), polyglot.preview_document('kenum', 'ok, fine', '[1,2]');
SELECT polyglot.preview_document('kdomain', 'yes'), polyglot.preview_document('kdomain', 'yes'::dkey);
SELECT polyglot.preview_document('karray', ARRAY[1,2]), polyglot.preview_document('karray', '{1,2}');
SELECT polyglot.preview_document('kuuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');
SELECT polyglot.preview_document('weird', 1);
SELECT polyglot.preview_document('kpart', 1, 'eu'), polyglot.preview_document('kpart', 1, 'us'), polyglot.preview_document('kpart', 1, 'zz');
SELECT polyglot.preview_document('knum', NULL::text) IS NULL AS null_text;
PREPARE untyped AS SELECT polyglot.preview_document('knum', $1);
EXECUTE untyped('1');

-- what a caller gets wrong
SELECT polyglot.preview_document('nope', 1);
SELECT polyglot.preview_document('k2', 1);
SELECT polyglot.preview_document('k2', 'a,b');
SELECT polyglot.preview_document('k2', 'x', 1, true);
SELECT polyglot.preview_document('k2', '{"a": 1, "b": "x"}'::jsonb);
SELECT polyglot.preview_document('k2', '{"a": 1, "b": "x", "d": 1}'::jsonb);
SELECT polyglot.preview_document('k2', 'x', NULL::integer, date '2024-03-04');
SELECT polyglot.preview_document('scalars', 'abc');
SELECT polyglot.preview_document('scalars', true);
SELECT polyglot.preview_document('kdomain', 'no');

-- whose eyes: the owner's; who may look: whoever may SELECT and is not under a policy
CREATE ROLE doc_owner;
CREATE ROLE doc_reader;
GRANT USAGE, CREATE ON SCHEMA doc TO doc_owner;
GRANT USAGE ON SCHEMA doc TO doc_reader;
CREATE TABLE secrets (id integer PRIMARY KEY, v text);
INSERT INTO secrets VALUES (1, 'hidden');
SELECT polyglot.create_sync('secrets', 'doc_search', 'secrets', document => 'pg_catalog.jsonb_build_object(''id'', id, ''as'', CURRENT_USER, ''path'', pg_catalog.current_setting(''search_path''))');
ALTER TABLE secrets OWNER TO doc_owner;
SET ROLE doc_reader;
SELECT polyglot.preview_document('secrets', 1);
SELECT polyglot.preview_mapping('secrets');
RESET ROLE;
GRANT SELECT ON secrets TO doc_reader;
SET ROLE doc_reader;
SELECT polyglot.preview_document('secrets', 1);
RESET ROLE;
SHOW search_path;
SHOW datestyle;
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
SELECT polyglot.preview_document('secrets', 1);
SET ROLE doc_reader;
SELECT polyglot.preview_document('secrets', 1);
RESET ROLE;
ALTER TABLE secrets FORCE ROW LEVEL SECURITY;
SELECT polyglot.preview_document('secrets', 1);
ALTER ROLE doc_owner BYPASSRLS;
SELECT polyglot.preview_document('secrets', 1);

-- a stand-in for PostGIS's type: known by name, wherever it lives
CREATE TYPE geometry;
CREATE FUNCTION geometry_in(cstring) RETURNS geometry LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
CREATE FUNCTION geometry_out(geometry) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
CREATE TYPE geometry (INPUT = geometry_in, OUTPUT = geometry_out);
CREATE CAST (geometry AS bytea) WITHOUT FUNCTION;
CREATE FUNCTION st_asgeojson(geometry, integer, integer) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT pg_catalog.format('{"type":"Point","coordinates":%s}', pg_catalog.convert_from($1::pg_catalog.bytea, 'UTF8')) $$;
CREATE TABLE places (id integer PRIMARY KEY, g geometry);
INSERT INTO places VALUES (1, '[13.4,52.5]'), (2, '[]');
SELECT polyglot.create_sync('places', 'doc_search', 'places');
SELECT i, polyglot.preview_document('places', i) FROM generate_series(1, 2) i;
SELECT polyglot.preview_mapping('places') -> 'properties' -> 'g';

RESET ALL;
SET client_min_messages = error;
DROP SCHEMA doc CASCADE;
DROP SERVER doc_search CASCADE;
DROP ROLE doc_owner, doc_reader;
