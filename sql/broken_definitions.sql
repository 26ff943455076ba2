-- Definitions that stop fitting their tables, and those that nothing will keep true: who does it is told.
SET client_min_messages = warning;
SELECT polyglot.stop_workers();
CREATE SERVER told FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
CREATE TABLE orders (id int PRIMARY KEY, total int, state text, due timestamptz, parent int);
SELECT polyglot.create_sync('orders', 'told', document => 'jsonb_build_object(''id'', id, ''total'', total)',
                            filter => 'state <> ''draft''');
SELECT polyglot.create_sync('orders', 'told', 'qualified', document => 'to_jsonb(orders.*) - ''due''');
SELECT polyglot.create_sync('orders', 'told', 'plain', columns => '{id,parent}', routing => 'parent');
RESET client_min_messages;
CREATE VIEW failures AS SELECT sync, last_error FROM polyglot.status WHERE state = 'failed' ORDER BY sync;

-- A renamed or dropped column, another type.
ALTER TABLE orders RENAME COLUMN total TO amount;
SELECT * FROM failures;
ALTER TABLE orders RENAME COLUMN amount TO total;
SELECT polyglot.resume_sync('orders');
ALTER TABLE orders ALTER COLUMN state TYPE int USING 1;
SELECT polyglot.alter_sync('orders', filter => 'state <> 1');
ALTER TABLE orders DROP COLUMN total;
SELECT polyglot.resume_sync('orders');
SELECT polyglot.alter_sync('orders', document => 'jsonb_build_object(''id'', id)');
ALTER TABLE orders DROP COLUMN parent;
SELECT * FROM failures;
SELECT polyglot.alter_sync('plain', columns => '{id}', reset => '{routing}');
-- The table's name can stand in an expression, too.
ALTER TABLE orders RENAME TO sales;
SELECT * FROM failures;
ALTER TABLE sales RENAME TO orders;
SELECT polyglot.resume_sync('qualified');
SELECT * FROM failures;
-- So can a function's.
CREATE FUNCTION public.vat(int) RETURNS int LANGUAGE sql IMMUTABLE RETURN $1 / 5;
SELECT polyglot.alter_sync('orders', document => 'jsonb_build_object(''vat'', public.vat(id))');
ALTER FUNCTION public.vat(int) COST 5;
ALTER FUNCTION public.vat(int) RENAME TO tax;
ALTER FUNCTION public.tax(int) RENAME TO vat;
SELECT polyglot.resume_sync('orders');
DROP FUNCTION public.vat(int);
SELECT * FROM failures;
SELECT polyglot.alter_sync('orders', document => 'jsonb_build_object(''id'', id)');
-- The key.
ALTER TABLE orders DROP CONSTRAINT orders_pkey;
ALTER TABLE orders ADD PRIMARY KEY (id);
SELECT polyglot.resume_sync(sync) FROM failures;
CREATE UNIQUE INDEX other_key ON orders (id);
ALTER TABLE orders DROP CONSTRAINT orders_pkey;
DROP INDEX other_key;
SELECT count(*) FROM failures;
ALTER TABLE orders ADD PRIMARY KEY (id);
SELECT polyglot.resume_sync(sync) FROM failures;

-- Expressions that depend on more than the row.
SELECT polyglot.alter_sync('orders', filter => 'due <= now()');
SELECT polyglot.alter_sync('orders', filter => 'due::date <> current_date');
SELECT polyglot.alter_sync('orders', filter => 'id > (SELECT count(*) FROM pg_catalog.pg_am)');
SELECT polyglot.alter_sync('orders', filter => 'NOT EXISTS (SELECT FROM public.orders o WHERE o.state > orders.state)');
SELECT polyglot.alter_sync('orders', document => 'jsonb_build_object(''age'', age(due))');
SELECT polyglot.alter_sync('orders', document => 'jsonb_build_object(''id'', id)', filter => 'id > 0');

-- A sync ends with its table, its index stays.
DROP TABLE orders;
SELECT sync FROM polyglot.syncs;

-- What concerns no sync asks for none.
CREATE TABLE orders (id int PRIMARY KEY);
SELECT polyglot.create_sync('orders', 'told');
CREATE TYPE size AS ENUM ('s', 'm');
CREATE VIEW looks AS SELECT seq_scan, coalesce(idx_scan, 0) AS idx_scan FROM pg_stat_xact_all_tables
  WHERE relid = 'polyglot.sync_definition'::regclass;
BEGIN;
SELECT seq_scan AS seq, idx_scan AS idx FROM looks \gset
CREATE TEMP TABLE t (id int PRIMARY KEY, s size);
CREATE TABLE u (id int PRIMARY KEY, s size);
CREATE INDEX u_s ON u (s);
CREATE TABLE v AS SELECT * FROM u;
CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1;
CREATE SEQUENCE q;
SELECT seq_scan - :seq AS whole, idx_scan - :idx AS single FROM looks;
ALTER TABLE u ADD COLUMN c int;
ALTER TABLE t ADD COLUMN c int;
ALTER TYPE size RENAME VALUE 's' TO 'xs';
CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER g BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION g();
DROP FUNCTION f();
DROP SEQUENCE q;
SELECT seq_scan - :seq AS whole FROM looks;
ROLLBACK;
DROP VIEW looks;
DROP TYPE size;

SET client_min_messages = warning;
DROP VIEW failures;
DROP SERVER told CASCADE;
DROP TABLE orders;
SELECT polyglot.start_workers();
