"""Rows a second of a plain read, a backfill and a verification of the same table."""

import pathlib
import statistics
import sys
import time

import processes
from postgres import Postgres
from search_server import SearchServer

TABLE = """
CREATE TABLE item (id bigint PRIMARY KEY, code text NOT NULL, label text NOT NULL, price numeric(10,2),
                   stock integer, live boolean, tags text[], made timestamptz, about jsonb);
INSERT INTO item
SELECT i, md5(i::text), 'item number ' || i, i / 100.0, i % 1000, i % 3 > 0, ARRAY['a' || i % 7, 'b'],
       '2026-01-01'::timestamptz + i * interval '1 second', jsonb_build_object('weight', i % 50)
  FROM generate_series(1, {rows}) i
"""


def cpu_seconds(pid):
    """Time on the CPU, exact to the nanosecond."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class Bench:
    def __init__(self, rows):
        self.rows = rows
        self.pg = Postgres("bench", settings={"max_wal_size": "8GB"}).start()
        self.server = SearchServer().start()
        self.pg.execute("CREATE DATABASE bench")
        self.sql("CREATE TABLE quiet (id bigint PRIMARY KEY);"
                 "CREATE EXTENSION polyglot_sync; CREATE SERVER search FOREIGN DATA WRAPPER"
                 f" polyglot_sync OPTIONS (url '{self.server.url}');"
                 "CREATE USER MAPPING FOR PUBLIC SERVER search;"
                 "SELECT polyglot.create_sync('quiet', 'search')")  # keeps the worker there
        self.wait("quiet")
        self.sql(TABLE.format(rows=rows))
        self.sql("VACUUM (ANALYZE) item")

    def sql(self, statement):
        self.pg.execute(statement, database="bench")

    def value(self, statement):
        return self.pg.value(statement, (), "bench")

    def wait(self, sync):
        done = self.value(f"SELECT polyglot.wait_for_sync('{sync}', '1h')")
        assert done, self.pg.query("SELECT * FROM polyglot.status", (), "bench")

    def timed(self, work):
        """Rows a second of `work`, and the worker's share of the time on a CPU."""
        pid = self.value("SELECT pid FROM pg_stat_activity"
                         " WHERE backend_type = 'polyglot_sync worker'")
        used, began = cpu_seconds(pid), time.monotonic()
        work()
        seconds = time.monotonic() - began
        return self.rows / seconds, (cpu_seconds(pid) - used) / seconds

    def read(self):
        self.pg.program("psql", "-q", "-c", "\\copy item to /dev/null", database="bench")

    def backfill(self):
        self.sql("SELECT polyglot.create_sync('item', 'search')")
        self.wait("item")

    def verify(self):
        found = self.value("SELECT count(*) FROM polyglot.verify_sync('item')")
        compared = self.value("SELECT compared FROM polyglot.verifications WHERE sync = 'item'"
                              " ORDER BY started_at DESC LIMIT 1")
        assert (found, compared) == (0, self.rows), (found, compared)

    def drop(self):
        self.sql("SELECT polyglot.drop_sync('item', true)")
        processes.wait_for(lambda: not self.value("SELECT count(*) FROM polyglot.dropped_index"),
                           "the index is deleted")


def main(rows=500_000, runs=3):
    bench = Bench(rows)
    bench.read()  # the pages are in memory
    size = bench.value("SELECT pg_relation_size('item')")
    print(f"{rows:,} rows, {size / rows:.0f} bytes each; plain read: COPY to psql", flush=True)
    found = {}
    for run in range(runs):
        rates = {name: bench.timed(work) for name, work in (
            ("read", bench.read), ("backfill", bench.backfill), ("verify", bench.verify))}
        read = rates["read"][0]
        for name, (rate, share) in rates.items():
            found.setdefault(name, []).append(rate / read)
            print(f"  run {run + 1}: {name:8} {rate:9,.0f} rows/s, ratio {rate / read:.4f}"
                  + (f", the worker has used {share:.0%} of a CPU" if name != "read" else ""), flush=True)
        bench.drop()
    for name in ("backfill", "verify"):
        print(f"{name}: median ratio {statistics.median(found[name]):.4f} of the plain read"
              f" (from {min(found[name]):.4f} to {max(found[name]):.4f})")
    bench.server.kill()
    bench.pg.stop()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
