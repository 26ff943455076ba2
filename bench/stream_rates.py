"""What live changes cost the worker and the search server, in CPU time, and how soon they arrive.

Two builds can be compared (BENCH_AGAINST): each has a cluster of its own, both use one search server,
and every measurement of one is followed by the same of the other, in changing order.
"""

import json
import os
import pathlib
import queue
import statistics
import subprocess
import sys
import threading
import time

import postgres
import processes
from postgres import Postgres
from search_server import SearchServer

COLUMNS = "(id bigint PRIMARY KEY, a bigint, n int, title text, body text, flag bool, ts timestamptz," \
          " price numeric(12,2))"
ROW = "i, i * 7, 0, 'title of row ' || i, repeat('some words of the body ', 4) || i, i % 2 = 0," \
      " '2026-01-01'::timestamptz + i * interval '1 s', i / 100.0"
UPDATE = "\\set id random(1, {rows})\nUPDATE {table} SET n = n + 1 WHERE id = :id;\n"
TABLE_ROWS = 50_000
BULK = 1_000  # rows of a transaction
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    """CPU seconds of all threads of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def exact_cpu(pid):
    """The same of a process with one thread, to the nanosecond."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class Build:
    """One installed build with its cluster."""

    def __init__(self, name, pg_config, server):
        self.name, self.server = name, server
        postgres.PG_CONFIG = pg_config
        self.pg = Postgres(f"bench-{name}", settings={"max_wal_size": "8GB", "autovacuum": "off",
                                                      "checkpoint_timeout": "1h",
                                                      "polyglot_sync.max_syncs": "2000"}).start()
        self.index = f"stream-{name}-{self.pg.port}"
        self.pg.execute("CREATE DATABASE bench")
        self.sql(f"CREATE TABLE docs {COLUMNS}; CREATE TABLE plain {COLUMNS};"
                 f"INSERT INTO docs SELECT {ROW} FROM generate_series(1, {TABLE_ROWS}) i;"
                 "INSERT INTO plain SELECT * FROM docs")
        self.sql("VACUUM ANALYZE")
        self.sql("CREATE EXTENSION polyglot_sync; CREATE SERVER search FOREIGN DATA WRAPPER"
                 f" polyglot_sync OPTIONS (url '{server.url}');"
                 "CREATE USER MAPPING FOR PUBLIC SERVER search;"
                 f"SELECT polyglot.create_sync('docs', 'search', index => '{self.index}')")
        self.wait()
        self.mark = 10 ** 12  # written by no other measurement

    def sql(self, statement):
        self.pg.execute(statement, database="bench")

    def value(self, statement):
        return self.pg.value(statement, (), "bench")

    def wait(self, sync="docs"):
        assert self.value(f"SELECT polyglot.wait_for_sync('{sync}', '10min')"), \
            self.pg.query("SELECT * FROM polyglot.status", (), "bench")

    def worker(self):
        return self.value("SELECT pid FROM pg_stat_activity"
                          " WHERE backend_type = 'polyglot_sync worker'")

    def requests(self):
        """Bulk requests of the index so far; 0 where the server does not count them."""
        found = self.server.request("GET", f"/{self.index}/_stats/bulk")
        return found["_all"]["total"].get("bulk", {}).get("total_operations", 0)

    def counted(self, events, work):
        """Costs of `work`, which makes so many events and waits for them."""
        pid, began, requests = self.worker(), time.monotonic(), self.requests()
        mine, theirs = exact_cpu(pid), cpu(self.server.pid)
        more = work() or {}
        seconds = time.monotonic() - began
        mine, theirs = exact_cpu(pid) - mine, cpu(self.server.pid) - theirs
        requests = max(self.requests() - requests, 1)
        return {"a second": events / seconds, "worker µs": mine * 1e6 / events,
                "server µs": theirs * 1e6 / events, "requests/s": requests / seconds,
                "batch": events / requests, **more}

    def bulk_updates(self, rows):
        """Transactions of 1,000 updated rows as fast as they go."""
        def work():
            with self.pg.connect("bench") as session:
                for first in range(0, rows, BULK):
                    at = first % TABLE_ROWS
                    session.execute(f"UPDATE docs SET n = n + 1 WHERE id > {at} AND id <= {at + BULK}")
            self.wait()
        return self.counted(rows, work)

    def pgbench(self, table, transactions):
        script = self.pg.folder / f"{table}.sql"
        script.write_text(UPDATE.format(table=table, rows=TABLE_ROWS))
        text = self.pg.program("pgbench", "-n", "-M", "prepared", "-c", "4", "-j", "2", "-t",
                               str(transactions // 4), "-f", script, "bench")
        return float(next(line for line in text.splitlines() if line.startswith("tps")).split()[2])

    def single_updates(self, updates):
        """Commits of one updated row, four clients."""
        def work():
            tps = self.pgbench("docs", updates)
            self.wait()
            return {"tps": tps}
        found = self.counted(updates, work)
        found["tps of none"] = self.pgbench("plain", updates // 2)
        return found

    def latency(self, samples):
        """Milliseconds from a commit until a realtime GET shows it, at 50 commits a second."""
        delays = []
        session, link = self.pg.connect("bench"), self.server.connection()
        begin = time.monotonic()
        for i in range(samples):
            time.sleep(max(0.0, begin + i / 50 - time.monotonic()))
            row = 1 + i * 7919 % TABLE_ROWS
            self.mark += 1
            session.execute("UPDATE docs SET a = %s WHERE id = %s", (self.mark, row))
            committed = time.monotonic()
            while True:
                link.request("GET", f"/{self.index}/_doc/{row}?_source_includes=a",
                             headers=self.server.authorization)
                if json.loads(link.getresponse().read()).get("_source", {}).get("a") == self.mark:
                    break
                time.sleep(0.0005)
            delays.append((time.monotonic() - committed) * 1000)
        session.close()
        delays.sort()
        return {"p50 ms": statistics.median(delays), "p99 ms": delays[len(delays) * 99 // 100]}

    def many_syncs(self, count):
        """CPU of a worker with so many idle syncs; of one event among them; its memory."""
        def create(first, last):
            for i in range(first, last):
                self.sql(f"CREATE TABLE many_{i} (id bigint PRIMARY KEY);"
                         f"SELECT polyglot.create_sync('many_{i}', 'search',"
                         f" index => '{self.index}-{i}', backfill => false, settings =>"
                         """ '{"number_of_shards": 1, "number_of_replicas": 0}')""")
            self.wait(f"many_{last - 1}")
            processes.wait_for(lambda: not self.value(
                "SELECT count(*) FROM polyglot.status WHERE state <> 'streaming'"),
                "all syncs stream", timeout=600)
        pid, used, began = self.worker(), exact_cpu(self.worker()), time.monotonic()
        create(0, count)
        made = exact_cpu(pid) - used
        seconds = time.monotonic() - began
        used = exact_cpu(pid)
        create(count, count + 1)
        found = {"create s": seconds, "create cpu s": made, "one more cpu ms": (exact_cpu(pid) - used) * 1e3}
        time.sleep(12)  # the first looks at the indexes are over
        used, began = exact_cpu(pid), time.monotonic()
        time.sleep(21)
        found["idle %"] = (exact_cpu(pid) - used) / (time.monotonic() - began) * 100
        used = exact_cpu(pid)
        for i in range(100):
            self.sql(f"INSERT INTO many_{count // 2} VALUES ({i})")
            self.wait(f"many_{count // 2}")
        found["one event ms"] = (exact_cpu(pid) - used) * 10
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        found["private MB"] = int(status.split("RssAnon:")[1].split()[0]) / 1024
        self.sql("SELECT polyglot.stop_workers()")  # it would make the indexes anew
        processes.wait_for(lambda: not self.worker(), "the worker's end")
        for i in range(count + 1):
            self.server.request("DELETE", f"/{self.index}-{i}-000001", timeout=60)
        return found


LIMIT = f"stream-limit-{os.getpid()}"


def limit(server, rows):
    """Documents a second that the server takes, four requests of 1,000 at a time: what is possible."""
    bodies = queue.Queue()
    for first in range(0, rows, BULK):
        lines = []
        for i in range(first, first + BULK):
            lines += [json.dumps({"index": {"_id": str(i)}}),
                      json.dumps({"id": i, "a": i * 7, "n": 0, "title": f"title of row {i}",
                                  "body": "some words of the body " * 4 + str(i), "flag": i % 2 == 0,
                                  "ts": "2026-01-01T00:00:00Z", "price": i / 100})]
        bodies.put("\n".join(lines) + "\n")

    def send():
        link = server.connection()
        while True:
            try:
                body = bodies.get_nowait()
            except queue.Empty:
                return
            link.request("POST", f"/{LIMIT}/_bulk?filter_path=errors", body,
                         {"Content-Type": "application/x-ndjson", **server.authorization})
            assert json.loads(link.getresponse().read()) == {"errors": False}

    used, began = cpu(server.pid), time.monotonic()
    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"a second": rows / (time.monotonic() - began),
            "server µs": (cpu(server.pid) - used) * 1e6 / rows}


def search_server():
    folder = os.environ.get("POLYGLOT_SEARCH_FOLDER")
    return SearchServer(folder).attach() if folder else SearchServer().start()


def builds(server):
    against = os.environ.get("BENCH_AGAINST")
    found = [Build("before", against, server)] if against else []
    return found + [Build("now", os.environ["PG_CONFIG"], server)]


def show(found):
    print("\nmedians:")
    for (kind, name), rounds in found.items():
        keys = rounds[0].keys()
        medians = {key: statistics.median(one[key] for one in rounds) for key in keys}
        print(f"  {kind:8} {name:7}" + "".join(f"  {key} {value:,.1f}" for key, value in medians.items()))


def measure(found, name, kind, work):
    one = work()
    found.setdefault((kind, name), []).append(one)
    print(f"  {kind:8} {name:7}" + "".join(f"  {key} {value:,.1f}" for key, value in one.items()), flush=True)


def one_round(found, both, server, updates, rows):
    measure(found, "server", "limit", lambda: limit(server, rows))
    for kind, work in (("bulk", lambda build: build.bulk_updates(rows)),
                       ("single", lambda build: build.single_updates(updates)),
                       ("latency", lambda build: build.latency(500))):
        for build in both:
            measure(found, build.name, kind, lambda build=build, work=work: work(build))


def main(rounds=3, updates=20_000, rows=50_000, syncs=0):
    server = search_server()
    both = builds(server)
    server.request("PUT", f"/{LIMIT}", {"settings": {"number_of_replicas": 0}})
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; warming", flush=True)
    one_round({}, both, server, updates, rows)
    found = {}
    for number in range(rounds):
        print(f"round {number + 1}")
        one_round(found, both if number % 2 == 0 else both[::-1], server, updates, rows)
    for build in both if syncs else []:
        measure(found, build.name, f"{syncs} syncs", lambda build=build: build.many_syncs(syncs))
    show(found)
    for build in both:
        build.pg.stop("immediate")
        server.request("DELETE", f"/{build.index}-000001")
    server.request("DELETE", f"/{LIMIT}")
    if "POLYGLOT_SEARCH_FOLDER" not in os.environ:
        server.kill()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
