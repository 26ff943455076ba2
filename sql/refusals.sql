-- Everything that create_sync and alter_sync refuse, with SQLSTATE and hint.
SET client_min_messages = warning;
-- No worker, so that nothing moves by itself.
SELECT polyglot.stop_workers();
\i sql/include/tell.sql
CREATE FUNCTION refused(arguments text) RETURNS text LANGUAGE sql AS $$
  SELECT tell(format('SELECT polyglot.create_sync(%s)', arguments))
$$;
CREATE SERVER refusal FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
CREATE TABLE goods (id int PRIMARY KEY, name text NOT NULL, price numeric, "a.b" int, _id int);
CREATE TABLE plain_goods (id int PRIMARY KEY, name text NOT NULL);

-- What this version does not have yet.
SELECT refused($$'plain_goods', 'refusal', capture => 'wal'$$);
SELECT refused($$'plain_goods', 'refusal', capture => 'magic'$$);
SELECT refused($$NULL, 'refusal'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"origin": "none"}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"backfill_rate": 0}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"backfill_rate": 1.5}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"backfill_rate": 1e400}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"backfill_rate": "100"}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"max_document_bytes": 1023}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"max_document_bytes": 2048.5}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"max_document_bytes": "1025MB"}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"max_document_bytes": "10 boxes"}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"max_document_bytes": true}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"colour": "red"}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '{"replace_index": 1}'$$);
SELECT refused($$'plain_goods', 'refusal', options => '[]'$$);

-- Servers.
SELECT refused($$'plain_goods', 'nowhere'$$);
SELECT refused($$'plain_goods', NULL$$);

-- Kinds of relations.
CREATE VIEW goods_view AS SELECT * FROM plain_goods;
CREATE MATERIALIZED VIEW goods_matview AS SELECT * FROM plain_goods;
CREATE UNLOGGED TABLE goods_unlogged (id int PRIMARY KEY);
CREATE TEMP TABLE goods_temp (id int PRIMARY KEY);
CREATE SEQUENCE goods_sequence;
-- A child that may hold NULL: from 18 on it has the parent's NOT NULL unless that is NO INHERIT.
DO $$
DECLARE
  named_not_null boolean := current_setting('server_version_num')::int >= 180000;
BEGIN
  EXECUTE 'CREATE TABLE goods_parent (id int NOT NULL'
    || CASE WHEN named_not_null THEN ' NO INHERIT' ELSE '' END || ' UNIQUE)';
  CREATE TABLE goods_child () INHERITS (goods_parent);
  IF NOT named_not_null THEN ALTER TABLE goods_child ALTER id DROP NOT NULL; END IF;
END $$;
SELECT refused($$'goods_view', 'refusal'$$);
SELECT refused($$'goods_matview', 'refusal'$$);
SELECT refused($$'goods_unlogged', 'refusal'$$);
SELECT refused($$'goods_temp', 'refusal'$$);
SELECT refused($$'goods_sequence', 'refusal'$$);
SELECT refused($$'goods_parent', 'refusal', key => '{id}'$$);
SELECT refused($$'pg_class', 'refusal'$$);
SELECT refused($$'information_schema.sql_features', 'refusal'$$);
SELECT refused($$'polyglot.sync_state', 'refusal'$$);

-- Keys.
CREATE TABLE keyless (a int NOT NULL, b int, c int NOT NULL, d regclass NOT NULL, e int NOT NULL,
  UNIQUE (b), UNIQUE (c) DEFERRABLE, UNIQUE (d));
CREATE UNIQUE INDEX ON keyless (e) WHERE e > 0;
CREATE UNIQUE INDEX ON keyless ((a + 1));
SELECT refused($$'keyless', 'refusal'$$);
SELECT refused($$'keyless', 'refusal', key => '{a}'$$);
SELECT refused($$'keyless', 'refusal', key => '{b}'$$);
SELECT refused($$'keyless', 'refusal', key => '{c}'$$);
SELECT refused($$'keyless', 'refusal', key => '{d}'$$);
SELECT refused($$'keyless', 'refusal', key => '{e}'$$);
SELECT refused($$'keyless', 'refusal', key => '{z}'$$);
SELECT refused($$'keyless', 'refusal', key => '{}'$$);
SELECT refused($$'keyless', 'refusal', key => '{a,a}'$$);
SELECT refused($$'keyless', 'refusal', key => '{ctid}'$$);

-- Columns.
SELECT refused($$'goods', 'refusal'$$);
SELECT refused($$'goods', 'refusal', columns => '{id,_id}'$$);
SELECT refused($$'goods', 'refusal', columns => '{id,nothing}'$$);
SELECT refused($$'goods', 'refusal', columns => '{id}', routing => 'nothing'$$);

-- Expressions.
CREATE FUNCTION of_another_table() RETURNS boolean LANGUAGE sql STABLE
  AS 'SELECT EXISTS (SELECT FROM public.goods)';
SELECT refused($$'plain_goods', 'refusal', filter => 'id >'$$);
SELECT refused($$'plain_goods', 'refusal', filter => 'id'$$);
SELECT refused($$'plain_goods', 'refusal', filter => 'nothing > 1'$$);
SELECT refused($$'plain_goods', 'refusal', filter => 'random() > 0.5'$$);
SELECT refused($$'plain_goods', 'refusal', filter => 'count(*) > 1'$$);
SELECT refused($$'plain_goods', 'refusal', filter => 'true) FROM goods --'$$);
SELECT refused($$'plain_goods', 'refusal', filter => 'true, false'$$);
SELECT refused($$'plain_goods', 'refusal', filter => 'true; DROP TABLE goods'$$);
SELECT refused($$'plain_goods', 'refusal', filter => 'of_another_table()'$$);
SELECT refused($$'plain_goods', 'refusal', filter => 'public.of_another_table()'$$);
SELECT polyglot.drop_sync('plain_goods');
SELECT refused($$'plain_goods', 'refusal', document => 'name'$$);
SELECT refused($$'plain_goods', 'refusal', document => 'to_json(plain_goods)'$$);

-- Names of syncs and indexes.
SELECT refused($$'plain_goods', 'refusal', ''$$);
SELECT refused($$'plain_goods', 'refusal', index => 'Goods'$$);
SELECT refused($$'plain_goods', 'refusal', index => ''$$);
SELECT refused($$'plain_goods', 'refusal', index => '_goods'$$);
SELECT refused($$'plain_goods', 'refusal', index => '..'$$);
SELECT refused($$'plain_goods', 'refusal', index => 'good goods'$$);
SELECT refused(format($$'plain_goods', 'refusal', index => %L$$, repeat('x', 241)));
SELECT refused($$'plain_goods', 'refusal', index => 'Ω'$$);
SELECT refused($$'plain_goods', 'refusal', index => 'İstanbul'$$);
SELECT refused($$'plain_goods', 'refusal', index => 'ǆ_ǅ'$$);
SELECT refused($$'plain_goods', 'refusal', index => 'polyglot-sync-owners'$$);
SELECT refused($$'plain_goods', 'refusal', index => 'polyglot-sync-owners', manage_index => false$$);
SELECT refused($$'plain_goods', 'refusal', index => 'polyglot-sync-owners-2'$$);
SELECT refused($$NULL, 'refusal', 'polyglot-sync-owners'$$);
SELECT refused($$'plain_goods', 'refusal', mapping => '[1]'$$);

-- What stands below "mappings" and "settings", not these themselves, nor what is in them.
SELECT refused($$'plain_goods', 'refusal', mapping => '{"mappings": {"properties": {}}}'$$);
SELECT refused($$'plain_goods', 'refusal', mapping => '{"settings": {"number_of_shards": 1}}'$$);
SELECT refused($$'plain_goods', 'refusal', mapping => '{"_doc": {"properties": {}}}'$$);
SELECT refused($$'plain_goods', 'refusal', mapping => '{"address": {"type": "flattened"}}'$$);
SELECT refused($$'plain_goods', 'refusal', mapping => '{"address": {"properties": {}}}'$$);
SELECT refused($$'plain_goods', 'refusal', mapping => '{"properties": 1}'$$);
SELECT refused($$'plain_goods', 'refusal', mapping => '{"properties": []}'$$);
SELECT refused($$'plain_goods', 'refusal', mapping => '{"properties": {"name": "text"}}'$$);
SELECT refused($$'plain_goods', 'refusal', mapping => '{"properties": {"name": {"type": 1}}}'$$);
SELECT refused($$'plain_goods', 'refusal',
               mapping => '{"properties": {"name": {"properties": {"a": {"fields": 1}}}}}'$$);
SELECT refused($$'plain_goods', 'refusal', settings => '{"settings": {"number_of_shards": 1}}'$$);
SELECT refused($$'plain_goods', 'refusal', settings => '{"mappings": {}}'$$);
SELECT refused($$'plain_goods', 'refusal', settings => '{"index": 1}'$$);
SELECT refused(format($$'plain_goods', 'refusal', mapping => %L$$,
                      repeat('{"properties": {"a": ', 1000) || '{}' || repeat('}}', 1000)));
SELECT refused(format($$'plain_goods', 'refusal', settings => %L$$,
                      repeat('{"a": ', 1000) || '{}' || repeat('}', 1000)));
SELECT refused($$'plain_goods', 'refusal', manage_index => false, mapping => '{}'$$);
SELECT refused($$'plain_goods', 'refusal', manage_index => false,
               options => '{"replace_index": true}'$$);

-- A good one; then a second of the same name, and of the same index.
SELECT polyglot.create_sync('plain_goods', 'refusal', 'first');
SELECT refused($$'plain_goods', 'refusal', 'first'$$);
SELECT refused($$'plain_goods', 'refusal', 'second', 'first'$$);

-- One whose index the first will or may have, or the other way round; by whatever server.
SELECT refused($$'plain_goods', 'refusal', 'second', 'first-000001'$$);
SELECT refused($$'plain_goods', 'refusal', 'second', 'first-1000000'$$);
SELECT refused($$'plain_goods', 'refusal', 'second', 'first-000007', manage_index => false$$);
SELECT refused($$'plain_goods', 'refusal', 'second', 'first-000007',
               options => '{"replace_index": true}'$$);
CREATE SERVER refusal_too FOREIGN DATA WRAPPER polyglot_sync
  OPTIONS (url 'http://127.0.0.1:8, HTTP://127.0.0.1:9/');
SELECT refused($$'plain_goods', 'refusal_too', 'second', 'first'$$);
SELECT refused($$'plain_goods', 'refusal_too', 'second', 'first-000002', manage_index => false$$);
SELECT refused($$NULL, 'refusal_too', 'second', 'first'$$);
SELECT polyglot.create_sync('plain_goods', 'refusal', 'second', 'third-000001');
SELECT refused($$'plain_goods', 'refusal_too', 'third'$$);
SELECT refused($$'plain_goods', 'refusal_too', 'third', 'third', manage_index => false$$);
SELECT polyglot.drop_sync('third');
SELECT polyglot.drop_sync('second');
CREATE SERVER refusal_elsewhere FOREIGN DATA WRAPPER polyglot_sync
  OPTIONS (url 'http://127.0.0.1:7');
SELECT refused($$'plain_goods', 'refusal_elsewhere', 'second', 'first-000001'$$);
SELECT polyglot.drop_sync('second');
SELECT refused($$'plain_goods', 'refusal', 'second', 'first-00001'$$);
SELECT polyglot.drop_sync('second');

-- A server that confines names of indexes; only its owner may let it.
SELECT tell($$ALTER SERVER refusal_too OPTIONS (ADD confine 'true')$$);
SELECT tell($$ALTER SERVER refusal_too OPTIONS (ADD confine 'maybe', ADD index_prefix 'x')$$);
SELECT tell($$ALTER SERVER refusal_too OPTIONS (ADD confine 'true', ADD index_prefix '')$$);
SELECT tell($$ALTER SERVER refusal OPTIONS (ADD confine 'true', ADD index_prefix 'only_')$$);
ALTER SERVER refusal_too OPTIONS (ADD confine 'true', ADD index_prefix 'only_');
SELECT refused($$'plain_goods', 'refusal_too', 'second', 'other'$$);
SELECT refused($$'plain_goods', 'refusal_too', 'second', 'other', manage_index => false$$);
SELECT refused($$'plain_goods', 'refusal_too', 'second', 'other',
               options => '{"replace_index": true}'$$);
SELECT refused($$NULL, 'refusal_too', 'second', 'other'$$);
SELECT refused($$'plain_goods', 'refusal_too', 'second'$$);
SELECT refused($$'plain_goods', 'refusal_too', 'third', 'only_mine'$$);
SELECT tell($$ALTER SERVER refusal_too OPTIONS (SET index_prefix 'nobody_')$$);
SELECT tell($$ALTER SERVER refusal_too OPTIONS (DROP index_prefix)$$);
SELECT polyglot.drop_sync('second'), polyglot.drop_sync('third');
CREATE ROLE refusal_user;
GRANT USAGE ON FOREIGN SERVER refusal_too TO refusal_user;
SET ROLE refusal_user;
SELECT tell($$ALTER SERVER refusal_too OPTIONS (SET confine 'false')$$);
RESET ROLE;
DROP SERVER refusal_too CASCADE;
DROP SERVER refusal_elsewhere CASCADE;
DROP ROLE refusal_user;

-- alter_sync.
SELECT tell($$SELECT polyglot.alter_sync('nobody', filter => 'true')$$);
SELECT tell($$SELECT polyglot.alter_sync('first', capture => 'wal')$$);
SELECT tell($$SELECT polyglot.alter_sync('first', mapping => '[1]')$$);
SELECT tell($$SELECT polyglot.alter_sync('first', mapping => '{"mappings": {}}')$$);
SELECT tell($$SELECT polyglot.alter_sync('first', settings => '{"settings": {}}')$$);
SELECT tell($$SELECT polyglot.alter_sync('first', reset => '{key}')$$);
SELECT tell($$SELECT polyglot.alter_sync('first', filter => 'true', reset => '{filter}')$$);
SELECT tell($$SELECT polyglot.alter_sync('first', filter => 'id')$$);
SELECT tell($$SELECT polyglot.alter_sync('first', columns => '{nothing}')$$);
SELECT tell($$SELECT polyglot.alter_sync('first', new_name => '')$$);

-- In a read-only transaction.
BEGIN READ ONLY;
SELECT tell($$SELECT polyglot.drop_sync('first')$$);
SELECT refused($$'plain_goods', 'refusal', 'third'$$);
ROLLBACK;

-- Nothing has come of all this.
SELECT sync, index FROM polyglot.syncs;
SELECT tgrelid::regclass, count(*) FROM pg_trigger
 WHERE tgname LIKE 'polyglot%' AND tgrelid::regclass::text NOT LIKE 'polyglot.%' GROUP BY 1;
DROP SERVER refusal CASCADE;
DROP TABLE goods, plain_goods, goods_unlogged, goods_temp, goods_parent, goods_child, keyless CASCADE;
DROP SEQUENCE goods_sequence;
DROP FUNCTION refused, tell, of_another_table;
SELECT polyglot.start_workers();
