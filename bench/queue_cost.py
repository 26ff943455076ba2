"""Reading a million queued keys, and the CPU time of an idle worker's look at its queue."""

import pathlib
import sys
import time

import processes
from postgres import Postgres
from search_server import SearchServer


def cpu_seconds(pid):
    """Time on the CPU, exact to the nanosecond."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class Bench:
    def __init__(self):
        self.pg = Postgres("bench", settings={"autovacuum": "off", "max_wal_size": "8GB"}).start()
        self.server = SearchServer().start()
        self.pg.execute("CREATE DATABASE bench")
        self.sql("CREATE TABLE busy (id bigint PRIMARY KEY);"
                 "CREATE TABLE quiet (id bigint PRIMARY KEY);"
                 "CREATE EXTENSION polyglot_sync; CREATE SERVER search FOREIGN DATA WRAPPER"
                 f" polyglot_sync OPTIONS (url '{self.server.url}');"
                 "CREATE USER MAPPING FOR PUBLIC SERVER search;"
                 "SELECT polyglot.create_sync('quiet', 'search')")
        self.wait()

    def sql(self, statement):
        self.pg.execute(statement, database="bench")

    def wait(self):
        done = self.pg.value("SELECT polyglot.wait_for_sync('quiet', '5min')", (), "bench")
        assert done, self.pg.query("SELECT * FROM polyglot.status", (), "bench")

    def worker(self):
        return processes.wait_for(lambda: self.pg.value(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'polyglot_sync worker'"),
            "the worker", interval=0.005)

    def read(self, keys):
        """Seconds and CPU seconds for reading this many keys and discarding them.

        The keys belong to a sync that is gone when the worker looks: so what is measured is the
        queue, not the re-reading of rows or the search server.
        """
        self.sql("SELECT polyglot.create_sync('busy', 'search', backfill => false)")
        self.wait()
        self.sql("SELECT polyglot.stop_workers()")
        processes.wait_for(lambda: not self.pg.value(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'polyglot_sync worker'"),
            "the worker's end")
        for first in range(0, keys, 10000):
            self.sql("INSERT INTO busy"
                     f" SELECT i FROM generate_series({first + 1}, {first + 10000}) i")
        size = self.pg.value("SELECT sum(pg_relation_size(table_a)"
                             " + pg_relation_size(table_b)) FROM polyglot.queue", (), "bench")
        self.sql("SELECT polyglot.drop_sync('busy'); TRUNCATE busy")
        self.sql("SELECT polyglot.start_workers()")
        pid = self.worker()
        begin, used = time.monotonic(), 0.0
        self.wait()
        used = cpu_seconds(pid)
        return time.monotonic() - begin, used, size

    def idle(self, ticks):
        """CPU milliseconds of the worker for one full look at its queue when nothing has changed."""
        pid = self.worker()
        with self.pg.connect("bench") as session:
            before = cpu_seconds(pid)
            for _ in range(ticks):
                session.execute("SELECT polyglot.wait_for_sync('quiet')")
        return (cpu_seconds(pid) - before) * 1000 / ticks


def main(keys=1_000_000, ticks=1000):
    bench = Bench()
    for held in (False, True):
        print("a REPEATABLE READ transaction is held open" if held else "no other transaction")
        with bench.pg.connect("bench", autocommit=False) as other:
            if held:
                other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                other.execute("SELECT count(*) FROM pg_class")  # locks none of ours
            print(f"  idle look at the queue: {bench.idle(ticks):.3f} ms of CPU time"
                  f" (mean of {ticks}; goal < 1 ms)", flush=True)
            seconds, used, size = bench.read(keys)
            print(f"  reading {keys:,} queued keys ({size / 2**20:.0f} MB): {seconds:.2f} s,"
                  f" {used:.2f} s of CPU time with the worker's start (goal < 2 s)", flush=True)
            print(f"  idle afterwards: {bench.idle(ticks):.3f} ms", flush=True)
            other.rollback()
    bench.server.kill()
    bench.pg.stop()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
