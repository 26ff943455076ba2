-- What the views below are made of. Each leaves out what the caller may not see, so that they need no
-- guarding.
CREATE FUNCTION polyglot.status_rows(
  OUT sync_id integer, OUT state text, OUT backfill_rows bigint, OUT backfill_total bigint,
  OUT rate double precision, OUT eta interval, OUT pending bigint, OUT parked bigint,
  OUT lag interval, OUT last_success timestamptz, OUT delivered bigint, OUT deleted bigint,
  OUT stale bigint, OUT retried bigint, OUT problem text, OUT hint text, OUT last_error text,
  OUT last_error_at timestamptz, OUT state_since timestamptz, OUT queued bigint,
  OUT queue_bytes bigint, OUT worker_pid integer, OUT counters_since timestamptz
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_status_rows';
COMMENT ON FUNCTION polyglot.status_rows() IS 'rows of the view polyglot.status';

CREATE FUNCTION polyglot.node_rows(
  OUT server oid, OUT node text, OUT state text, OUT in_flight integer, OUT last_latency interval,
  OUT last_error text, OUT backoff_until timestamptz
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_node_rows';
COMMENT ON FUNCTION polyglot.node_rows() IS 'rows of the view polyglot.servers';

CREATE FUNCTION polyglot.worker_rows(
  OUT pid integer, OUT role text, OUT server oid, OUT state text, OUT since timestamptz,
  OUT private_memory bigint
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_worker_rows';
COMMENT ON FUNCTION polyglot.worker_rows() IS 'rows of the view polyglot.workers';

CREATE FUNCTION polyglot.outbox_rows(
  OUT event_id text, OUT sync text, OUT operation text, OUT key jsonb, OUT document_id text,
  OUT transaction_id xid8, OUT created_at timestamptz, OUT processed boolean
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'polyglot_outbox_rows';
COMMENT ON FUNCTION polyglot.outbox_rows() IS 'rows of the view polyglot.outbox';

-- pg_monitor sees all; others see the syncs on tables whose owner's rights they have.
CREATE VIEW polyglot.syncs WITH (security_barrier) AS
SELECT d.name AS sync,
       (SELECT d.source WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i
          WHERE i.inhrelid OPERATOR(pg_catalog.=) d.source
            AND i.inhparent OPERATOR(pg_catalog.=) 'polyglot.published'::pg_catalog.regclass)) AS source,
       d.server,
       d.index,
       coalesce(s.generation, 0) AS generation,
       d.capture,
       d.key,
       d.columns,
       d.filter,
       d.document,
       d.routing,
       d.mapping,
       d.settings,
       d.manage_index,
       d.options,
       c.relowner::pg_catalog.regrole AS owner,
       d.created_at
  FROM polyglot.sync_definition d
  LEFT JOIN polyglot.sync_state s ON s.sync_id OPERATOR(pg_catalog.=) d.id
  LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.source
 WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
    OR pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW polyglot.syncs IS 'what was configured';
COMMENT ON COLUMN polyglot.syncs.sync IS 'name, unique in the database';
COMMENT ON COLUMN polyglot.syncs.source IS
  'table whose rows are the documents; NULL: they come from polyglot.publish';
COMMENT ON COLUMN polyglot.syncs.server IS 'foreign server that stands for the search cluster';
COMMENT ON COLUMN polyglot.syncs.index IS 'alias that applications search, or the index itself';
COMMENT ON COLUMN polyglot.syncs.generation IS
  'number of the index behind the alias; 0: not made yet, or not managed';
COMMENT ON COLUMN polyglot.syncs.capture IS
  'outbox: changes are captured by triggers; none: reconcile alone keeps the index in step';
COMMENT ON COLUMN polyglot.syncs.key IS 'columns that form the document id';
COMMENT ON COLUMN polyglot.syncs.columns IS 'columns of the document; NULL: all';
COMMENT ON COLUMN polyglot.syncs.filter IS
  'SQL condition over the row; NULL: every row has a document';
COMMENT ON COLUMN polyglot.syncs.document IS
  'SQL expression over the row that gives a JSON object; NULL: the columns';
COMMENT ON COLUMN polyglot.syncs.routing IS
  'column whose text is the routing of the document; NULL: none';
COMMENT ON COLUMN polyglot.syncs.mapping IS
  'merged over the mapping that is derived from the columns; NULL: nothing';
COMMENT ON COLUMN polyglot.syncs.settings IS
  'settings of the index; NULL: the defaults of the search server';
COMMENT ON COLUMN polyglot.syncs.manage_index IS
  'false: somebody else creates and configures the index';
COMMENT ON COLUMN polyglot.syncs.options IS
  'other options, as they were given to create_sync or alter_sync; NULL: none';
COMMENT ON COLUMN polyglot.syncs.owner IS
  'owner of the source: expressions run with his rights; NULL: the source is gone';
COMMENT ON COLUMN polyglot.syncs.created_at IS 'when create_sync was called';

CREATE VIEW polyglot.status WITH (security_barrier) AS
SELECT d.name AS sync,
       (SELECT d.source WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i
          WHERE i.inhrelid OPERATOR(pg_catalog.=) d.source
            AND i.inhparent OPERATOR(pg_catalog.=) 'polyglot.published'::pg_catalog.regclass)) AS source,
       d.server,
       d.index,
       d.capture,
       r.state,
       r.backfill_rows,
       r.backfill_total,
       r.rate,
       r.eta,
       r.pending,
       r.parked,
       r.lag,
       r.last_success,
       r.delivered,
       r.deleted,
       r.stale,
       r.retried,
       (SELECT pg_catalog.count(*) FROM polyglot.dead_letter l
         WHERE l.sync_id OPERATOR(pg_catalog.=) d.id) AS dead_letters,
       v.finished_at AS last_verified,
       v.missing OPERATOR(pg_catalog.+) v.orphan OPERATOR(pg_catalog.+) v.different
         OPERATOR(pg_catalog.+) v.stale AS last_differences,
       r.problem,
       r.hint,
       r.last_error,
       r.last_error_at,
       r.state_since,
       r.queued,
       r.queue_bytes,
       r.worker_pid,
       r.counters_since
  FROM polyglot.status_rows() r
  JOIN polyglot.sync_definition d ON d.id OPERATOR(pg_catalog.=) r.sync_id
  LEFT JOIN LATERAL (
    SELECT * FROM polyglot.verification n
     WHERE n.sync_id OPERATOR(pg_catalog.=) d.id AND n.finished_at IS NOT NULL
       AND n.sample OPERATOR(pg_catalog.=) 1
     ORDER BY n.number DESC LIMIT 1) v ON true;
COMMENT ON VIEW polyglot.status IS 'where every sync stands';
COMMENT ON COLUMN polyglot.status.sync IS 'name, as in polyglot.syncs';
COMMENT ON COLUMN polyglot.status.source IS
  'table whose rows are the documents; NULL: they come from polyglot.publish';
COMMENT ON COLUMN polyglot.status.server IS 'foreign server that stands for the search cluster';
COMMENT ON COLUMN polyglot.status.index IS 'alias that applications search, or the index itself';
COMMENT ON COLUMN polyglot.status.capture IS
  'outbox: changes are captured by triggers; none: reconcile alone keeps the index in step';
COMMENT ON COLUMN polyglot.status.state IS
  'starting, backfilling, streaming, rebuilding, paused, blocked, disconnected, failed, not running or standby';
COMMENT ON COLUMN polyglot.status.backfill_rows IS
  'rows copied by the first backfill, or by the rebuild that runs';
COMMENT ON COLUMN polyglot.status.backfill_total IS 'rows to copy, as PostgreSQL estimates them';
COMMENT ON COLUMN polyglot.status.rate IS 'rows copied each second; NULL when none are';
COMMENT ON COLUMN polyglot.status.eta IS 'how long until all rows are copied; NULL when none are';
COMMENT ON COLUMN polyglot.status.pending IS
  'changes that wait: in the queue, in the worker, or parked';
COMMENT ON COLUMN polyglot.status.parked IS
  'documents whose changes are kept until index or server take writes again';
COMMENT ON COLUMN polyglot.status.lag IS
  'age of the oldest change that is not in the index; 0: in step; NULL: nothing waits but rows that are being copied';
COMMENT ON COLUMN polyglot.status.last_success IS
  'when the server last acknowledged a document; NULL: not known';
COMMENT ON COLUMN polyglot.status.delivered IS 'documents written since counters_since';
COMMENT ON COLUMN polyglot.status.deleted IS 'documents deleted since counters_since';
COMMENT ON COLUMN polyglot.status.stale IS
  'operations refused since counters_since because the index had a newer version';
COMMENT ON COLUMN polyglot.status.retried IS 'operations sent again since counters_since';
COMMENT ON COLUMN polyglot.status.dead_letters IS
  'documents that the server does not accept: see polyglot.dead_letters';
COMMENT ON COLUMN polyglot.status.last_verified IS
  'when index and table were last compared as a whole; NULL: never';
COMMENT ON COLUMN polyglot.status.last_differences IS
  'how many differences that comparison has found; NULL: there was none';
COMMENT ON COLUMN polyglot.status.problem IS 'what is wrong now; NULL: nothing';
COMMENT ON COLUMN polyglot.status.hint IS
  'what to do about the problem; NULL: nothing, or nothing that is known';
COMMENT ON COLUMN polyglot.status.last_error IS
  'the last thing that went wrong, now or earlier, stored once a minute at most; NULL: nothing';
COMMENT ON COLUMN polyglot.status.last_error_at IS 'when that went wrong; NULL: nothing has';
COMMENT ON COLUMN polyglot.status.state_since IS
  'since when the worker has been telling this state; NULL: no worker';
COMMENT ON COLUMN polyglot.status.queued IS
  'committed changes in the queue that are not settled, an estimate in a large queue; NULL: not known';
COMMENT ON COLUMN polyglot.status.queue_bytes IS
  'bytes of the server''s queue and parked keys, to be compared with max_queue_size; NULL: not known';
COMMENT ON COLUMN polyglot.status.worker_pid IS 'the process that delivers; NULL: none';
COMMENT ON COLUMN polyglot.status.counters_since IS 'since when the counters count';

CREATE VIEW polyglot.outbox WITH (security_barrier) AS
SELECT event_id, sync, operation, key, document_id, transaction_id, created_at, processed
  FROM polyglot.outbox_rows();
COMMENT ON VIEW polyglot.outbox IS 'captured changes and parked keys';
COMMENT ON COLUMN polyglot.outbox.event_id IS
  'where the change stands: its place in the queue, or parked/ and the parked key';
COMMENT ON COLUMN polyglot.outbox.sync IS 'name, as in polyglot.syncs';
COMMENT ON COLUMN polyglot.outbox.operation IS
  'insert, update, delete, enqueue, truncate, resync, or parked: what becomes of it is read later';
COMMENT ON COLUMN polyglot.outbox.key IS
  'key of the row; NULL: none, or recorded as other types than its columns have now';
COMMENT ON COLUMN polyglot.outbox.document_id IS
  'id of the document that is concerned; NULL: the change is not about one';
COMMENT ON COLUMN polyglot.outbox.transaction_id IS
  'transaction that made the change; NULL: parked';
COMMENT ON COLUMN polyglot.outbox.created_at IS 'when the change was captured';
COMMENT ON COLUMN polyglot.outbox.processed IS
  'true: settled, the row only waits until the queue is emptied';

CREATE VIEW polyglot.dead_letters WITH (security_barrier) AS
SELECT d.name AS sync,
       l.document_id,
       l.operation,
       l.version,
       l.http_status,
       l.error_type,
       CASE WHEN pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN l.reason END AS reason,
       l.attempts,
       l.first_failed_at,
       l.last_failed_at,
       CASE WHEN pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN l.document END AS document
  FROM polyglot.dead_letter l
  JOIN polyglot.sync_definition d ON d.id OPERATOR(pg_catalog.=) l.sync_id
  LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.source
 WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
    OR pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW polyglot.dead_letters IS
  'documents that the server does not accept, with its own words';
COMMENT ON COLUMN polyglot.dead_letters.sync IS 'name, as in polyglot.syncs';
COMMENT ON COLUMN polyglot.dead_letters.document_id IS
  'id of the document, as requeue and discard take it';
COMMENT ON COLUMN polyglot.dead_letters.operation IS 'what was refused: index or delete';
COMMENT ON COLUMN polyglot.dead_letters.version IS
  'version of what was refused: epoch * 2^52 + position';
COMMENT ON COLUMN polyglot.dead_letters.http_status IS
  'status that the server gave to this document; 0: nothing was sent, the row cannot be read';
COMMENT ON COLUMN polyglot.dead_letters.error_type IS
  'kind of the error: in the words of the server, or postgresql_error_ and the SQLSTATE';
COMMENT ON COLUMN polyglot.dead_letters.reason IS
  'what the server or PostgreSQL says; NULL: the caller lacks the rights of the owner of the source';
COMMENT ON COLUMN polyglot.dead_letters.attempts IS 'how often the document was refused in a row';
COMMENT ON COLUMN polyglot.dead_letters.first_failed_at IS 'when it was refused for the first time';
COMMENT ON COLUMN polyglot.dead_letters.last_failed_at IS 'when it was refused last';
COMMENT ON COLUMN polyglot.dead_letters.document IS
  'what was refused, its first 8192 bytes; NULL: none, or the caller lacks the rights';

CREATE VIEW polyglot.verifications WITH (security_barrier) AS
SELECT d.name AS sync,
       v.started_at,
       v.finished_at,
       v.compared,
       v.missing,
       v.orphan,
       v.different,
       v.stale,
       v.sample,
       v.repair,
       v.note
  FROM polyglot.verification v
  JOIN polyglot.sync_definition d ON d.id OPERATOR(pg_catalog.=) v.sync_id
  LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.source
 WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
    OR pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW polyglot.verifications IS
  'the last comparisons of indexes with their tables, the running one too';
COMMENT ON COLUMN polyglot.verifications.sync IS 'name, as in polyglot.syncs';
COMMENT ON COLUMN polyglot.verifications.started_at IS 'when the comparison began, or began anew';
COMMENT ON COLUMN polyglot.verifications.finished_at IS
  'when it had compared everything; NULL: it is running';
COMMENT ON COLUMN polyglot.verifications.compared IS 'rows that were compared';
COMMENT ON COLUMN polyglot.verifications.missing IS 'rows without a document';
COMMENT ON COLUMN polyglot.verifications.orphan IS
  'documents whose row is gone, is left out by the filter, or has another routing';
COMMENT ON COLUMN polyglot.verifications.different IS 'documents that differ from their rows';
COMMENT ON COLUMN polyglot.verifications.stale IS
  'documents that equal their rows, with a version older than anything this sync has written';
COMMENT ON COLUMN polyglot.verifications.sample IS
  'share of rows whose documents were asked for, 0 to 1; 1: all of them';
COMMENT ON COLUMN polyglot.verifications.repair IS 'true: what differed was delivered again';
COMMENT ON COLUMN polyglot.verifications.note IS
  'what else is worth knowing, as that contents cannot be compared; NULL: nothing';

CREATE VIEW polyglot.differences WITH (security_barrier) AS
SELECT d.name AS sync,
       f.key,
       f.document_id,
       CASE WHEN f.has_routing THEN coalesce(f.long_routing, f.routing) END AS routing,
       f.problem,
       CASE WHEN pg_catalog.pg_has_role(c.relowner, 'USAGE') THEN f.detail END AS detail,
       f.repaired
  FROM polyglot.difference f
  JOIN polyglot.sync_definition d ON d.id OPERATOR(pg_catalog.=) f.sync_id
  LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.source
 WHERE f.problem IS NOT NULL
   AND f.number OPERATOR(pg_catalog.=) (
     SELECT pg_catalog.max(v.number) FROM polyglot.verification v
      WHERE v.sync_id OPERATOR(pg_catalog.=) f.sync_id AND v.finished_at IS NOT NULL)
   AND (pg_catalog.pg_has_role('pg_monitor', 'USAGE')
        OR pg_catalog.pg_has_role(c.relowner, 'USAGE'));
COMMENT ON VIEW polyglot.differences IS 'what the last comparison of each sync has found';
COMMENT ON COLUMN polyglot.differences.sync IS 'name, as in polyglot.syncs';
COMMENT ON COLUMN polyglot.differences.key IS
  'key of the row; NULL: the document id cannot be read as one';
COMMENT ON COLUMN polyglot.differences.document_id IS 'id of the document, there or missing';
COMMENT ON COLUMN polyglot.differences.routing IS 'routing of the document; NULL: none';
COMMENT ON COLUMN polyglot.differences.problem IS 'missing, orphan, different or stale';
COMMENT ON COLUMN polyglot.differences.detail IS
  'what is wrong, for instance which fields; NULL: the caller lacks the rights of the owner of the source';
COMMENT ON COLUMN polyglot.differences.repaired IS 'true: delivered again';

CREATE VIEW polyglot.servers WITH (security_barrier) AS
SELECT s.srvname AS server,
       n.node,
       coalesce(n.state, 'unknown') AS state,
       n.in_flight,
       n.last_latency,
       n.last_error,
       n.backoff_until
  FROM pg_catalog.pg_foreign_server s
  JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
  LEFT JOIN polyglot.node_rows() n ON n.server OPERATOR(pg_catalog.=) s.oid
 WHERE w.fdwname OPERATOR(pg_catalog.=) 'polyglot_sync'
   AND (pg_catalog.pg_has_role('pg_monitor', 'USAGE')
        OR pg_catalog.has_server_privilege(s.oid, 'USAGE'));
COMMENT ON VIEW polyglot.servers IS 'nodes of the search servers as their worker sees them';
COMMENT ON COLUMN polyglot.servers.server IS 'foreign server that stands for the search cluster';
COMMENT ON COLUMN polyglot.servers.node IS 'URL of one of its nodes; NULL: no worker runs';
COMMENT ON COLUMN polyglot.servers.state IS
  'healthy, dead (not tried before backoff_until), probing, denied (HTTP 401 or 403: the credentials), or unknown (no worker)';
COMMENT ON COLUMN polyglot.servers.in_flight IS 'requests under way';
COMMENT ON COLUMN polyglot.servers.last_latency IS
  'how long the last answer took; NULL: there was none';
COMMENT ON COLUMN polyglot.servers.last_error IS
  'why the last request found no usable node; NULL: it did';
COMMENT ON COLUMN polyglot.servers.backoff_until IS
  'when the node is tried again; NULL: it is not avoided';

CREATE VIEW polyglot.workers WITH (security_barrier) AS
SELECT r.pid, r.role, s.srvname AS server, r.state, r.since, r.private_memory
  FROM polyglot.worker_rows() r
  LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) r.server;
COMMENT ON VIEW polyglot.workers IS
  'the launcher and the workers of this database';
COMMENT ON COLUMN polyglot.workers.pid IS 'process id, as in pg_stat_activity';
COMMENT ON COLUMN polyglot.workers.role IS 'launcher (of all databases) or worker';
COMMENT ON COLUMN polyglot.workers.server IS
  'foreign server that the worker delivers to; NULL: the launcher';
COMMENT ON COLUMN polyglot.workers.state IS
  'starting, running, or not answering (not heard of for 5 s)';
COMMENT ON COLUMN polyglot.workers.since IS 'when the process was started';
COMMENT ON COLUMN polyglot.workers.private_memory IS
  'bytes that it shares with no other process; NULL: not known';
