-- What DDL does to syncs (src/pg/capture/ddl_watch.cpp). ENABLE ALWAYS: a session with
-- session_replication_role = replica changes tables like any other.
CREATE FUNCTION polyglot.watch_ddl() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'polyglot_watch_ddl';
COMMENT ON FUNCTION polyglot.watch_ddl() IS 'keeps syncs true when tables, types and servers change';
REVOKE ALL ON FUNCTION polyglot.watch_ddl() FROM PUBLIC;

CREATE FUNCTION polyglot.watch_drop() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'polyglot_watch_drop';
COMMENT ON FUNCTION polyglot.watch_drop() IS 'ends syncs whose table or server is dropped';
REVOKE ALL ON FUNCTION polyglot.watch_drop() FROM PUBLIC;

-- The wrapper has no handler: its servers are never read by queries.
CREATE FUNCTION polyglot.validate_options(options text[], catalog oid) RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'polyglot_validate_options';
COMMENT ON FUNCTION polyglot.validate_options(text[], oid) IS
  'checks the options of servers and user mappings';
REVOKE ALL ON FUNCTION polyglot.validate_options(text[], oid) FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER polyglot_sync VALIDATOR polyglot.validate_options;
COMMENT ON FOREIGN DATA WRAPPER polyglot_sync IS 'Elasticsearch and OpenSearch servers';
