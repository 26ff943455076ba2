-- Published syncs: what create_sync, publish and retract refuse, who may publish, what stays behind.
SET client_min_messages = warning;
SELECT polyglot.stop_workers();
CREATE ROLE regress_publisher;
CREATE ROLE regress_seller;
CREATE ROLE regress_nobody;
CREATE SERVER letters FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
ALTER SERVER letters OWNER TO regress_publisher;
GRANT USAGE ON FOREIGN SERVER letters TO regress_seller;
CREATE TABLE plain (id int PRIMARY KEY);
RESET client_min_messages;

SELECT polyglot.create_sync(NULL, 'letters');
SELECT polyglot.create_sync(NULL, 'letters', 'events', filter => 'true');
SELECT polyglot.create_sync(NULL, 'letters', 'events', options => '{"publishers": "regress_seller"}');
SELECT polyglot.create_sync('plain', 'letters', options => '{"publishers": ["regress_seller"]}');
SET ROLE regress_seller;
SELECT polyglot.create_sync(NULL, 'letters', 'events');
SET ROLE regress_publisher;
SELECT polyglot.create_sync(NULL, 'letters', 'events', options => '{"publishers": ["regress_seller"]}');
SELECT sync, source, index, key, document, routing, owner FROM polyglot.syncs;
RESET ROLE;
SELECT polyglot.create_sync('plain', 'letters', 'of_table');

SELECT polyglot.publish('of_table', '1', '{}');
SELECT polyglot.publish('nothing', '1', '{}');
SELECT polyglot.publish('events', NULL, '{}');
SELECT polyglot.publish('events', '', '{}');
SELECT polyglot.publish('events', '1', NULL);
SELECT polyglot.publish('events', '1', '[1]');

SET ROLE regress_nobody;
SELECT polyglot.publish('events', '1', '{}');
SELECT polyglot.retract('events', '1');
SET ROLE regress_seller;
SELECT polyglot.publish('events', '1', '{"type": "product_created"}');
SELECT polyglot.publish('events', '2', '{"type": "product_changed"}', 'eu');
SELECT polyglot.publish('events', '1', '{"type": "product_renamed"}');
SELECT polyglot.publish('events', '3', '{}');
SELECT polyglot.retract('events', '3');
SELECT polyglot.retract('events', 'never was there');
SELECT * FROM polyglot.published;
SET ROLE regress_publisher;
SELECT polyglot.publish('events', '4', '{}');
SELECT polyglot.retract('events', '4');
RESET ROLE;
SELECT * FROM polyglot.published ORDER BY id;
SELECT sync, operation, document_id, count(*) FROM polyglot.outbox GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
BEGIN READ ONLY;
SELECT polyglot.publish('events', '1', '{}');
ROLLBACK;

SELECT polyglot.alter_sync('events', filter => 'true');
SELECT polyglot.alter_sync('events', new_name => 'news');
SELECT * FROM polyglot.published ORDER BY id;
ALTER SERVER letters OWNER TO regress_seller;
SELECT sync, owner FROM polyglot.syncs ORDER BY sync;
REASSIGN OWNED BY regress_seller TO regress_publisher;
SELECT sync, owner FROM polyglot.syncs ORDER BY sync;
REASSIGN OWNED BY regress_publisher TO regress_seller;
SELECT sync, owner FROM polyglot.syncs ORDER BY sync;
INSERT INTO polyglot.published VALUES ('news', '9', NULL, '{}');
SELECT tgenabled, count(*) FROM pg_trigger WHERE tgrelid IN (SELECT inhrelid FROM pg_inherits
  WHERE inhparent = 'polyglot.published'::regclass) AND NOT tgisinternal GROUP BY 1 ORDER BY 1;

SELECT polyglot.drop_sync('news');
SELECT * FROM polyglot.published;
SELECT count(*) FROM pg_inherits WHERE inhparent = 'polyglot.published'::regclass;
SET ROLE regress_seller;
SELECT polyglot.create_sync(NULL, 'letters', 'again');
RESET ROLE;
DROP SERVER letters;
SET client_min_messages = warning;
DROP SERVER letters CASCADE;
SELECT count(*) FROM pg_inherits WHERE inhparent = 'polyglot.published'::regclass;
DROP TABLE plain;
DROP ROLE regress_publisher, regress_seller, regress_nobody;
