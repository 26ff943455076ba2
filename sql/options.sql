-- Options of servers and user mappings: names, ranges, units, contradictions.
SET client_min_messages = warning;
\i sql/include/tell.sql
CREATE FUNCTION server_with(options text) RETURNS text LANGUAGE sql AS $$
  SELECT tell(format('CREATE SERVER opt FOREIGN DATA WRAPPER polyglot_sync OPTIONS (%s)', options))
$$;
RESET client_min_messages;

SELECT server_with($$url ''$$) AS empty;
SELECT tell('CREATE SERVER opt FOREIGN DATA WRAPPER polyglot_sync') AS no_url;
SELECT server_with($$url 'http://127.0.0.1:9', colour 'red'$$) AS unknown;
SELECT server_with($$url 'ftp://127.0.0.1'$$) AS scheme;
SELECT server_with($$url 'https://elastic:secret@es1:9200'$$) AS user_information;
SELECT server_with($$url 'https://es1:9200,https://es1:9200/'$$) AS twice;
SELECT server_with($$url 'https://es1:99999'$$) AS port;
SELECT server_with($$url 'https://es1:9200?x=1'$$) AS query;
SELECT server_with($$url 'https://'$$) AS no_host;
SELECT server_with($$url 'https://[::1:9200'$$) AS ipv6;
SELECT server_with($$url 'http://127.0.0.1:9', verify 'maybe'$$) AS verify;
SELECT server_with($$url 'http://127.0.0.1:9', compression 'zstd'$$) AS compression;
SELECT server_with($$url 'http://127.0.0.1:9', connect_timeout '3 parsecs'$$) AS unit;
SELECT server_with($$url 'http://127.0.0.1:9', connect_timeout '1ms'$$) AS low;
SELECT server_with($$url 'http://127.0.0.1:9', batch_bytes '5GB'$$) AS high;
SELECT server_with($$url 'http://127.0.0.1:9', max_in_flight '0'$$) AS none;
SELECT server_with($$url 'http://127.0.0.1:9', batch_operations 'many'$$) AS words;
SELECT server_with($$url 'http://127.0.0.1:9', index_prefix 'Shop-'$$) AS prefix;
SELECT server_with($$url 'http://127.0.0.1:9', ca_file 'ca.pem'$$) AS relative;
SELECT server_with($$url 'http://127.0.0.1:9', proxy 'http://user:secret@proxy:3128'$$) AS proxy_user;
SELECT server_with($$url 'http://127.0.0.1:9', proxy 'socks5://proxy:1080'$$) AS proxy_scheme;
SELECT server_with($$url 'http://127.0.0.1:9', proxy 'http://proxy:3128/path'$$) AS proxy_path;
SELECT server_with($$url 'http://127.0.0.1:9', tls_server_name 'es:9200'$$) AS tls_server_name;
SELECT server_with($$url 'http://127.0.0.1:9', aws_region 'EU Central'$$) AS aws_region;
SELECT server_with($$url 'http://127.0.0.1:9', aws_service ''$$) AS aws_service;
SELECT server_with($$url 'http://127.0.0.1:9', client_cert '/c.pem'$$) AS half_a_pair;

CREATE SERVER opt FOREIGN DATA WRAPPER polyglot_sync OPTIONS (
  url 'https://es1:9200, https://[::1]:9200/path', ca_file '/etc/ca.pem', client_cert '/c.pem',
  client_key '/k.pem', verify 'none', tls_server_name 'es', proxy 'http://proxy:3128',
  compression 'gzip', connect_timeout '200ms', request_timeout '1min', max_in_flight '4',
  batch_bytes '1MB', batch_operations '100', linger '0', index_prefix 'shop-',
  max_queue_size '1GB', aws_region 'eu-central-1', aws_service 'es');
SELECT tell('ALTER SERVER opt OPTIONS (DROP url)') AS url_is_needed;
SELECT tell('ALTER SERVER opt OPTIONS (SET linger ''1 h'')') AS alter_is_checked;
ALTER SERVER opt OPTIONS (SET url 'http://127.0.0.1:9');

CREATE FUNCTION mapping_with(options text) RETURNS text LANGUAGE sql AS $$
  SELECT tell(format('CREATE USER MAPPING FOR PUBLIC SERVER opt OPTIONS (%s)', options))
$$;
SELECT mapping_with($$name 'x'$$) AS unknown;
SELECT mapping_with($$user 'elastic'$$) AS no_password;
SELECT mapping_with($$password 'x'$$) AS no_user;
SELECT mapping_with($$user 'elastic', password 'x', password_file '/run/x'$$) AS two_passwords;
SELECT mapping_with($$user 'elastic', password 'x', api_key 'y'$$) AS two_kinds;
SELECT mapping_with($$api_key 'x', bearer_token_file '/run/x'$$) AS two_kinds;
SELECT mapping_with($$aws_access_key 'x'$$) AS half_a_pair;
SELECT mapping_with($$user 'elastic', password_file 'relative'$$) AS relative;
SELECT mapping_with(E'api_key E''a\\nHost: b''') AS two_lines;
SELECT mapping_with($$user 'elastic', password 'secret'$$) AS good;
ALTER USER MAPPING FOR PUBLIC SERVER opt OPTIONS (DROP password, ADD password_file '/run/secrets/es');
DROP USER MAPPING FOR PUBLIC SERVER opt;

-- Files and verify = none are for superusers.
CREATE ROLE polyglot_regress_servers;
GRANT USAGE ON FOREIGN DATA WRAPPER polyglot_sync TO polyglot_regress_servers;
SET ROLE polyglot_regress_servers;
SELECT tell($$CREATE SERVER own FOREIGN DATA WRAPPER polyglot_sync
              OPTIONS (url 'http://127.0.0.1:9', verify 'none')$$) AS verify;
SELECT tell($$CREATE SERVER own FOREIGN DATA WRAPPER polyglot_sync
              OPTIONS (url 'http://127.0.0.1:9', ca_file '/etc/ca.pem')$$) AS ca_file;
CREATE SERVER own FOREIGN DATA WRAPPER polyglot_sync
  OPTIONS (url 'http://127.0.0.1:9', verify 'full');
SELECT tell($$CREATE USER MAPPING FOR PUBLIC SERVER own
              OPTIONS (user 'x', password_file '/etc/passwd')$$) AS password_file;
CREATE USER MAPPING FOR PUBLIC SERVER own OPTIONS (user 'x', password 'y');
RESET ROLE;

-- Kinds of targets.
SELECT tell($$CREATE SERVER kind TYPE 'redis' FOREIGN DATA WRAPPER polyglot_sync
              OPTIONS (url 'http://127.0.0.1:9')$$) AS kind;
CREATE SERVER kind TYPE 'search' FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url 'http://127.0.0.1:9');
DROP SERVER kind;

-- The wrapper takes no options of its own, and has no tables.
SELECT tell('ALTER FOREIGN DATA WRAPPER polyglot_sync OPTIONS (x ''y'')') AS wrapper;

DROP SERVER own CASCADE;
DROP SERVER opt;
REVOKE USAGE ON FOREIGN DATA WRAPPER polyglot_sync FROM polyglot_regress_servers;
DROP ROLE polyglot_regress_servers;
DROP FUNCTION mapping_with, server_with, tell;
