-- Whatever belongs to the extension says what it is: every object, and every column of its tables and views.
CREATE VIEW described AS
SELECT i.type, i.identity AS object, replace(o.attname, '_', ' ') AS name, d.description
  FROM (SELECT m.classid, m.objid, coalesce(a.attnum, 0) AS objsubid, a.attname
          FROM pg_extension x
          JOIN pg_depend m ON m.refclassid = 'pg_extension'::regclass AND m.refobjid = x.oid AND m.deptype = 'e'
          -- Those of sequences take no comments.
          LEFT JOIN pg_class r ON m.classid = 'pg_class'::regclass AND r.oid = m.objid AND r.relkind <> 'S'
          LEFT JOIN LATERAL (SELECT attnum, attname FROM pg_attribute
                              WHERE attrelid = r.oid AND attnum > 0 AND NOT attisdropped
                             UNION ALL SELECT 0, NULL) a ON true
         WHERE x.extname = 'polyglot_sync'
           -- The tables of the queues are made with the first sync of a server: polyglot.queue describes them.
           AND (r.oid IS NULL OR r.oid NOT IN (SELECT unnest(ARRAY[table_a, table_b]) FROM polyglot.queue))) o
 CROSS JOIN LATERAL pg_identify_object(o.classid, o.objid, o.objsubid) i
  LEFT JOIN pg_description d ON d.classoid = o.classid AND d.objoid = o.objid AND d.objsubid = o.objsubid;

-- All kinds are there.
SELECT DISTINCT type FROM described ORDER BY type;
-- Without a comment: none.
SELECT type, object FROM described WHERE coalesce(description, '') = '' ORDER BY object COLLATE "C";
-- In more words than its name, and without a full stop.
SELECT object, description FROM described WHERE description = name OR description LIKE '%.'
 ORDER BY object COLLATE "C";

-- One that is forgotten is found.
BEGIN;
COMMENT ON SCHEMA polyglot IS NULL;
COMMENT ON TABLE polyglot.queue IS NULL;
COMMENT ON COLUMN polyglot.queue.table_a IS NULL;
COMMENT ON COLUMN polyglot.status.lag IS NULL;
COMMENT ON FUNCTION polyglot.drain(text) IS NULL;
COMMENT ON SEQUENCE polyglot.sync_id IS NULL;
COMMENT ON EVENT TRIGGER polyglot_watch_drop IS NULL;
SELECT type, object FROM described WHERE coalesce(description, '') = '' ORDER BY object COLLATE "C";
ROLLBACK;

DROP VIEW described;
