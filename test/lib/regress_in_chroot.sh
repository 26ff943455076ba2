# Run by test/compile_versions inside of a chroot as the service user: a cluster, pg_regress, the end.
set -eu
cd /build
data=$(mktemp -d)
port=$((20000 + $$ % 10000))
finish() {
  pg_ctl -s -D "$data" -m immediate stop || true
  rm -rf "$data"
}
trap finish EXIT
initdb -D "$data" -U postgres -A trust -E UTF8 --no-locale --no-sync >/dev/null
cat >> "$data/postgresql.conf" <<END
shared_preload_libraries = 'polyglot_sync'
wal_level = logical
listen_addresses = ''
unix_socket_directories = '$data'
port = $port
max_prepared_transactions = 10
END
pg_ctl -s -w -D "$data" -l "$data/log" start
PGHOST=$data PGPORT=$port PGUSER=postgres make -k -s installcheck \
  PG_CONFIG="/usr/lib/postgresql/$VERSION/bin/pg_config" || {
  find . -name regression.diffs -exec cat {} +
  exit 1
}
! grep -E 'terminated by signal|PANIC:' "$data/log"
