"""Writers of every kind under faults of every kind; at the end every index equals its table."""

import argparse
import json
import pathlib
import re
import sys
import threading
import time
import urllib.parse

import processes
from conftest import FATAL_WORDS, Database
from fault_proxy import FaultProxy
from mixed_writers import finish_prepared
from postgres import Postgres
from search_server import SearchServer
from torture_definitions import LARGEST_ROW
from torture_faults import KINDS, SERVER_OPTIONS, START_TIMEOUT, Faults, schedule
from torture_workload import SCHEMA, SYNCS, TortureWriters

# kB of RssAnon. The promise of the design, and what one row that is larger than all that needs: it is
# there as the table has it, as text, as a document and as a request.
MEMORY_LIMIT = 64 * 1024 + 4 * LARGEST_ROW // 1024
# Half of a small heap for what is being indexed, or the largest row would be refused for ever.
SEARCH_SETTINGS = {"indexing_pressure.memory.limit": "50%"}


class MemorySampler:
    """The largest RssAnon, in kB, that a worker of this cluster ever had."""

    def __init__(self, pg):
        self.pg, self.largest, self.ended = pg, 0, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended.wait(0.5):
            for pid in self.pg.server_processes("polyglot_sync worker") if self.pg.pid else []:
                self.largest = max(self.largest, rss_anon(pid))

    def stop(self):
        self.ended.set()
        self.thread.join()


def rss_anon(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"RssAnon:\s+(\d+)", status)
    return int(found.group(1)) if found else 0


class Torture:
    """Rounds of writers and faults on one database; after each all is healed and compared."""

    def __init__(self, seed, arguments, pg, search, proxy):
        self.seed, self.arguments = seed, arguments
        self.wanted = arguments.faults.split(",") if arguments.faults else KINDS
        self.db = Database(pg, search, f"torture{seed}", server=False)
        options = {name: values[0] for name, values in SERVER_OPTIONS.items()}
        self.db.create_server(url=proxy.url, connect_timeout="1s", **options)
        self.db.execute(SCHEMA)
        for table in SYNCS:
            self.create_sync(table)
        self.db.wait(timeout="10min")
        self.faults = Faults(self.db, search, proxy, self.create_sync)
        self.memory = MemorySampler(pg)
        self.seconds, self.commits, self.lost_connections = 0.0, 0, 0

    def create_sync(self, table):
        self.db.create_sync(table, **SYNCS[table][0])

    def run(self):
        """Everything that is wrong, as lines; ends with the first round that finds something."""
        rounds = max(1, round(self.arguments.minutes / self.arguments.round))
        try:
            for number in range(1, rounds + 1):
                found = self._round(number, self.arguments.minutes * 60 / rounds)
                if found:
                    return [f"in round {number} of {rounds}:", *found]
        finally:
            self.memory.stop()
        return []

    def _round(self, number, seconds):
        before = self.faults.total
        planned = schedule(self.seed, number, seconds, self.wanted, SYNCS)
        writers = TortureWriters(self.db, 4, self.seed * 1000 + number, self.arguments.pause)
        begin = time.monotonic()
        try:
            self.faults.carry_out(planned, seconds)
        finally:
            writers.stop()
        self.seconds += time.monotonic() - begin
        self.commits += sum(writers.committed)
        self.lost_connections += writers.lost_connections
        self.faults.heal()
        finish_prepared(self.db)
        if (self.seed + number) % 2:  # half of the rounds wait until the back-off is over
            self.faults.sql("SELECT sync FROM polyglot.run_sync(NULL, '1s')")
        healed = time.monotonic()
        found = self._verdict(writers)
        print(f"round {number}: {seconds:.0f} s, {self.faults.total - before} faults,"
              f" {sum(writers.committed)} commits, compared {time.monotonic() - healed:.0f} s after"
              f" the last fault: {'different' if found else 'equal'}", flush=True)
        return found

    def _in_step(self):
        """Within 5 minutes, beside starts of a node that ended under the documents that waited for it."""
        for _ in range(10):
            if self.db.value("SELECT polyglot.wait_for_sync(NULL, '30s', true)"):
                return True
            self.faults.start_search_if_ended()
        return False

    def _verdict(self, writers):
        db = self.db
        found = [f"a writer met {error}" for error in writers.errors[:10]] + self.faults.broken
        if not self._in_step():
            found.append(f"not in step within 5 minutes: {db.status()}")
        for table, (_, comparison) in SYNCS.items():
            differences = db.differences(table, **comparison)
            if differences:
                found.append(f"{table}: {len(differences)} differences: {differences[:5]}")
                found += explain(db, table, differences[:5])
        found += [f"dead letter {letter}" for letter in db.dead_letters()[:10]]
        own = [f"(PID {pid})" for pid in self.faults.killed]
        found += [f"in the log: {line}" for line in db.pg.log().splitlines()
                  if FATAL_WORDS.search(line) and not any(pid in line for pid in own)]
        if self.memory.largest > MEMORY_LIMIT:
            found.append(f"RssAnon of a worker was {self.memory.largest} kB")
        return found

    def report(self):
        counters = self.db.query("SELECT sum(delivered)::bigint, sum(deleted)::bigint,"
                                 " sum(stale)::bigint, sum(retried)::bigint FROM polyglot.status")[0]
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.done.items()))
        print(f"faults by kind: {kinds}")
        print(f"seed {self.seed}: {self.seconds:.0f} s, {self.faults.total} faults,"
              f" {self.commits} commits, {self.lost_connections} connections lost,"
              " {} indexed, {} deleted, {} stale, {} retried,".format(*counters),
              f"RssAnon {self.memory.largest // 1024} MB", flush=True)


def explain(db, table, differences):
    """What the two sides know about a document that differs, while it still does."""
    ids = [difference.document_id for difference in differences]
    body = {"version": True, "query": {"ids": {"values": ids}}}
    hits = db.search.request("POST", f"/{db.index(table)}/_search", body)["hits"]["hits"]
    found = [f"  document {hit['_id']}: version {hit['_version']}, routing {hit.get('_routing')}"
             for hit in hits]
    missing = sorted(set(ids) - {hit["_id"] for hit in hits})
    found += [f"  missing {name}: {tombstone(db, table, name)}" for name in missing]
    found += [f"  queued {row}" for row in db.query(
        "SELECT * FROM polyglot.outbox WHERE sync = %s AND document_id = ANY(%s)", (table, ids))]
    return [*found, f"  {db.status(table)}",
            f"  {db.query('SELECT * FROM polyglot.sync_state ORDER BY 1')}"]


def tombstone(db, table, name):
    """What the server says to a write that is older than any of ours: the version of the delete,
    if there was one. (One shard: whatever the routing is, it is the same one.)"""
    connection = db.search.connection()
    connection.request("PUT", f"/{db.index(table)}/_doc/{urllib.parse.quote(name, '')}"
                       "?version=1&version_type=external_gte", "{}",
                       {"Content-Type": "application/json", **db.search.authorization})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer.get("error", {}).get("reason", answer)


def torture(seed, arguments, search):
    """A cluster of its own for each seed, and the search server that all share."""
    pg = Postgres(f"torture-{seed}", settings={"polyglot_sync.worker_restart_delay": "1s"}).start()
    with FaultProxy(search.port) as proxy:
        run = Torture(seed, arguments, pg, search, proxy)
        found = run.run()
        run.report()
        if found:
            keep_log(pg, seed)
        else:
            run.db.drop()
    pg.destroy()
    return found


def keep_log(pg, seed):
    """The server's log outlives the work folder: it is what a finding is explained with."""
    kept = pathlib.Path(f"torture-{seed}.log").resolve()
    kept.write_text(pg.log())
    print(f"server log: {kept}")


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seed", required=True, help="a number, or several with commas")
    words.add_argument("--minutes", type=float, default=2)
    words.add_argument("--round", type=float, default=2, help="minutes between two comparisons")
    words.add_argument("--faults", default="", help=", ".join(KINDS))
    words.add_argument("--pause", type=float, default=0.01, help="seconds between transactions")
    arguments = words.parse_args()
    unknown = set(filter(None, arguments.faults.split(","))) - set(KINDS)
    if unknown:
        words.error(f"unknown faults {sorted(unknown)}; there are: {', '.join(KINDS)}")
    processes.work_folder()
    search = SearchServer(config=SEARCH_SETTINGS).start(START_TIMEOUT)
    failed = 0
    for seed in map(int, arguments.seed.split(",")):
        found = torture(seed, arguments, search)
        print("\n".join(found) if found else f"seed {seed}: equal", flush=True)
        failed += bool(found)
    search.kill()
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
