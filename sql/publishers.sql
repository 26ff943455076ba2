-- Who may publish is remembered as roles, not as names.
SET client_min_messages = warning;
SELECT polyglot.stop_workers();
CREATE ROLE regress_app;
CREATE ROLE regress_owner;
CREATE SERVER mail FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
ALTER SERVER mail OWNER TO regress_owner;
RESET client_min_messages;

SET ROLE regress_owner;
SELECT polyglot.create_sync(NULL, 'mail', 'sent', options => '{"publishers": ["regress_app", "regress_unknown"]}');
SELECT polyglot.create_sync(NULL, 'mail', 'sent', options => '{"publishers": ["regress_app"]}');
RESET ROLE;
ALTER ROLE regress_app RENAME TO regress_former;
CREATE ROLE regress_app;
SET ROLE regress_app;
SELECT polyglot.publish('sent', '1', '{}');
SET ROLE regress_former;
SELECT polyglot.publish('sent', '2', '{}');
-- Another property leaves them as they are, options are taken as they say now.
SET ROLE regress_owner;
SELECT polyglot.alter_sync('sent', new_name => 'post');
SET ROLE regress_former;
SELECT polyglot.publish('post', '3', '{}');
SET ROLE regress_owner;
SELECT polyglot.alter_sync('post', options => '{"publishers": ["regress_app"]}');
SET ROLE regress_former;
SELECT polyglot.publish('post', '4', '{}');
SET ROLE regress_app;
SELECT polyglot.publish('post', '5', '{}');
RESET ROLE;
DROP ROLE regress_app;
CREATE ROLE regress_app;
SET ROLE regress_app;
SELECT polyglot.publish('post', '6', '{}');
SET ROLE regress_owner;
SELECT polyglot.publish('post', '7', '{}');
SELECT polyglot.alter_sync('post', reset => '{options}');
RESET ROLE;
SELECT id FROM polyglot.published ORDER BY id;
SELECT polyglot.drop_sync('post');
SELECT count(*) FROM polyglot.publisher;

SET client_min_messages = warning;
DROP SERVER mail CASCADE;
DROP ROLE regress_app, regress_former, regress_owner;
SELECT polyglot.start_workers();
