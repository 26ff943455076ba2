-- Functions of a sync check inside who the caller is: its table's owner, or one who may read or write
-- the table. So their EXECUTE stays with PUBLIC, and what is left goes.
REVOKE ALL ON FUNCTION polyglot.stop_workers() FROM PUBLIC;
REVOKE ALL ON FUNCTION polyglot.start_workers() FROM PUBLIC;
REVOKE ALL ON FUNCTION polyglot.drain(interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION polyglot.drain(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION polyglot.drain(double precision) FROM PUBLIC;

GRANT SELECT ON polyglot.syncs, polyglot.status, polyglot.outbox, polyglot.dead_letters,
  polyglot.verifications, polyglot.differences, polyglot.servers, polyglot.workers TO PUBLIC;

-- The event triggers come last: nothing in this script, nor the comments that follow, concerns them.
CREATE EVENT TRIGGER polyglot_watch_ddl ON ddl_command_end
  WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE SCHEMA', 'ALTER TYPE', 'ALTER TRIGGER',
               'CREATE TRIGGER', 'CREATE SERVER', 'ALTER SERVER', 'CREATE USER MAPPING',
               'ALTER USER MAPPING', 'DROP USER MAPPING', 'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE',
               -- What would take the extension's own objects from their places.
               'ALTER SCHEMA', 'ALTER EXTENSION', 'ALTER FUNCTION', 'ALTER ROUTINE', 'ALTER SEQUENCE',
               'ALTER VIEW')
  EXECUTE FUNCTION polyglot.watch_ddl();
ALTER EVENT TRIGGER polyglot_watch_ddl ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER polyglot_watch_ddl IS
  'keeps syncs true when tables, types and servers change; guards the extension''s own objects';

CREATE EVENT TRIGGER polyglot_watch_drop ON sql_drop
  EXECUTE FUNCTION polyglot.watch_drop();
ALTER EVENT TRIGGER polyglot_watch_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER polyglot_watch_drop IS 'ends syncs whose table or server is dropped';
