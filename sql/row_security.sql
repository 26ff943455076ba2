-- preview_document and inspect show others than the owner nothing that a SELECT of theirs would not.
SET client_min_messages = warning;
SELECT polyglot.stop_workers();
CREATE ROLE polyglot_regress_owner;
CREATE ROLE polyglot_regress_bob;
CREATE ROLE polyglot_regress_other;
CREATE SERVER hidden FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
GRANT USAGE ON FOREIGN SERVER hidden TO polyglot_regress_owner;
CREATE SCHEMA hidden AUTHORIZATION polyglot_regress_owner;
GRANT USAGE ON SCHEMA hidden TO PUBLIC;
CREATE FUNCTION tell(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  EXECUTE statement;
  RETURN 'seen';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN SQLSTATE || coalesce(' ' || nullif(detail, ''), '');
END $$;
SET ROLE polyglot_regress_owner;
CREATE TABLE hidden.secret (id int PRIMARY KEY, tenant text, data text);
INSERT INTO hidden.secret VALUES (1, 'polyglot_regress_bob', 'his'), (2, 'carol', 'not his');
CREATE TABLE hidden.open (id int PRIMARY KEY, v text);
INSERT INTO hidden.open VALUES (2, 'open');
CREATE TABLE hidden.closed (id int PRIMARY KEY, v text);
INSERT INTO hidden.closed VALUES (2, 'closed');
ALTER TABLE hidden.secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON hidden.secret USING (tenant = current_user);
CREATE FUNCTION hidden.as_caller(int) RETURNS text STABLE LANGUAGE sql AS 'SELECT v FROM hidden.closed WHERE id = $1';
CREATE FUNCTION hidden.plain(int) RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT 'n' || $1$$;

CREATE VIEW hidden.invoker WITH (security_invoker = true) AS SELECT * FROM hidden.secret;
CREATE VIEW hidden.above AS SELECT * FROM hidden.invoker;
CREATE VIEW hidden.far_above AS SELECT id FROM hidden.open
  WHERE id IN (SELECT id FROM (SELECT * FROM hidden.above) s);
CREATE VIEW hidden.in_cte AS WITH c AS (SELECT * FROM hidden.invoker) SELECT id FROM hidden.open
  WHERE EXISTS (SELECT FROM c WHERE c.id = open.id);
CREATE VIEW hidden.in_list AS SELECT id, (SELECT data FROM hidden.invoker i WHERE i.id = o.id) FROM hidden.open o;
CREATE VIEW hidden.in_union AS SELECT id FROM hidden.open UNION ALL SELECT id FROM hidden.invoker;
CREATE VIEW hidden.by_user AS SELECT id, data FROM hidden.secret WHERE tenant = current_user OR tenant = 'carol';
CREATE VIEW hidden.by_privilege AS SELECT id, v FROM hidden.open WHERE pg_has_role('polyglot_regress_owner', 'USAGE');
CREATE VIEW hidden.by_function AS SELECT id, hidden.as_caller(id) AS v FROM hidden.open;
CREATE VIEW hidden.from_function AS SELECT o.id, f FROM hidden.open o, hidden.as_caller(o.id) f;
CREATE VIEW hidden.no_privilege WITH (security_invoker = true) AS SELECT * FROM hidden.closed;
-- These show everybody the same.
CREATE VIEW hidden.definer AS SELECT * FROM hidden.closed;
CREATE VIEW hidden.harmless WITH (security_invoker = true) AS SELECT id, hidden.plain(id), to_char(now(), 'YYYY') AS y FROM hidden.open;
CREATE MATERIALIZED VIEW hidden.stored AS SELECT * FROM hidden.secret;
GRANT SELECT ON ALL TABLES IN SCHEMA hidden TO polyglot_regress_bob;
REVOKE SELECT ON hidden.closed FROM polyglot_regress_bob;

SELECT polyglot.create_sync(oid, 'hidden', capture => 'none', key => '{id}', options => '{"reconcile": "1 hour"}')
  FROM pg_class WHERE relnamespace = 'hidden'::regnamespace AND relkind IN ('v', 'm') ORDER BY relname;
SELECT polyglot.create_sync('hidden.open', 'hidden');
SELECT polyglot.create_sync('hidden.open', 'hidden', 'subselect',
  document => 'jsonb_build_object(''v'', (SELECT v FROM hidden.closed c WHERE c.id = open.id))');
SELECT polyglot.create_sync('hidden.open', 'hidden', 'filtered', filter => 'id IN (SELECT id FROM hidden.secret)');
SELECT polyglot.create_sync('hidden.open', 'hidden', 'calls', document => 'jsonb_build_object(''v'', hidden.as_caller(id))');
SELECT polyglot.create_sync('hidden.open', 'hidden', 'renders',
  document => 'jsonb_build_object(''v'', hidden.plain(id), ''at'', to_char(''2020-01-01''::timestamptz, ''YYYY''))');
SELECT polyglot.create_sync('hidden.secret', 'hidden');
RESET ROLE;
CREATE TABLE cases AS SELECT name FROM polyglot.sync_definition;
GRANT SELECT ON cases TO PUBLIC;

SET ROLE polyglot_regress_bob;
SELECT name, tell(format('SELECT polyglot.preview_document(%L, 2)', name)) AS preview,
       tell(format('SELECT polyglot.preview_document(%L, ''2'')', name)) = tell(format('SELECT polyglot.preview_document(%L, 2)', name))
         AND tell(format('SELECT * FROM polyglot.inspect(%L, 2)', name)) = tell(format('SELECT polyglot.preview_document(%L, 2)', name))
         AND tell(format('SELECT * FROM polyglot.inspect(%L, ''2'')', name)) = tell(format('SELECT polyglot.preview_document(%L, 2)', name)) AS all_alike
  FROM cases ORDER BY name;
-- What is compared and repaired tells of rows, too.
SELECT DISTINCT tell(format(f, name)) FROM cases, unnest(ARRAY['SELECT polyglot.verify_sync(%L)',
  'SELECT polyglot.repair_sync(%L)', 'SELECT polyglot.discard(%L)', 'SELECT polyglot.requeue(%L)']) f;
SELECT (SELECT count(*) FROM polyglot.dead_letters), (SELECT count(*) FROM polyglot.differences),
       (SELECT count(*) FROM polyglot.outbox), (SELECT count(*) FROM polyglot.verifications), (SELECT count(*) FROM polyglot.status);
-- Who has the owner's rights, by whatever way, may look.
RESET ROLE;
SELECT DISTINCT tell(format('SELECT polyglot.preview_document(%L, 2)', name)) FROM cases;
GRANT polyglot_regress_owner TO polyglot_regress_other;
SET ROLE polyglot_regress_other;
SELECT DISTINCT tell(format('SELECT polyglot.preview_document(%L, 2)', name)) FROM cases;
RESET ROLE;

SELECT polyglot.drop_sync(name) FROM cases;
DROP TABLE cases;
DROP SERVER hidden;
DROP SCHEMA hidden CASCADE;
DROP ROLE polyglot_regress_owner, polyglot_regress_bob, polyglot_regress_other;
DROP FUNCTION tell;
SELECT polyglot.start_workers();
