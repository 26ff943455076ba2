"""Writers of every kind under faults of every kind; at the end every index equals its table."""

import argparse
import pathlib
import re
import sys
import threading
import time

import processes
from conftest import FATAL_WORDS, Database
from fault_proxy import FaultProxy
from mixed_writers import finish_prepared
from postgres import Postgres
from search_server import SearchServer
from torture_faults import KINDS, Faults, schedule
from torture_workload import SCHEMA, SYNCS, TortureWriters

MEMORY_LIMIT = 64 * 1024  # kB of RssAnon, the promise of the design


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


def carry_out(planned, faults):
    begin = time.monotonic()
    for second, kind, lasts, sync, seed in planned:
        time.sleep(max(0, begin + second - time.monotonic()))
        print(f"{time.monotonic() - begin:7.1f} s  planned {second:7.2f}  {kind} ({sync}, {lasts} s,"
              f" {seed})", flush=True)
        faults.run(kind, lasts, sync, seed)


def prepare(pg, search, proxy):
    db = Database(pg, search, "torture", server=False)
    db.create_server(url=proxy.url, request_timeout="3s", connect_timeout="1s")
    db.execute(SCHEMA)
    for table, (arguments, _) in SYNCS.items():
        db.create_sync(table, **arguments)
    db.wait()
    return db


def verdict(db, writers, memory):
    """Everything that is wrong, as lines."""
    found = [f"a writer met {error}" for error in writers.errors[:10]]
    if not db.value("SELECT polyglot.wait_for_sync(NULL, '5min', true)"):
        found.append(f"not in step within 5 minutes: {db.status()}")
    for table, (_, comparison) in SYNCS.items():
        differences = db.differences(table, **comparison)
        if differences:
            found.append(f"{table}: {len(differences)} differences: {differences[:5]}")
    found += [f"dead letter {letter}" for letter in db.dead_letters()[:10]]
    crashes = [line for line in db.pg.log().splitlines() if FATAL_WORDS.search(line)]
    if len(crashes) > db.pg.killed:
        found += [f"{db.pg.killed} killed, in the log:", *crashes]
    if memory.largest > MEMORY_LIMIT:
        found.append(f"RssAnon of a worker was {memory.largest} kB")
    return found


def torture(arguments):
    wanted = arguments.faults.split(",") if arguments.faults else KINDS
    planned = schedule(arguments.seed, arguments.minutes * 60, wanted, SYNCS)
    search = SearchServer().start()
    pg = Postgres("torture", settings={"polyglot_sync.worker_restart_delay": "1s"}).start()
    with FaultProxy(search.port) as proxy:
        db = prepare(pg, search, proxy)
        faults, memory = Faults(db, search, proxy), MemorySampler(pg)
        writers = TortureWriters(db, 4, arguments.seed, arguments.pause)
        begin = time.monotonic()
        try:
            carry_out(planned, faults)
        finally:
            writers.stop()
        faults.heal()
        finish_prepared(db)
        healed = time.monotonic()
        found = verdict(db, writers, memory)
        memory.stop()
        report(arguments, faults, planned, writers, memory, db, begin, healed)
    if found:
        keep_log(pg, arguments.seed)
    pg.stop("immediate")
    search.kill()
    return found


def report(arguments, faults, planned, writers, memory, db, begin, healed):
    stale, retried = db.query("SELECT sum(stale)::bigint, sum(retried)::bigint"
                              " FROM polyglot.status")[0]
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(faults.done.items()))
    print(f"faults by kind: {kinds}")
    print(f"seed {arguments.seed}: {healed - begin:.0f} s, {len(planned)} faults,"
          f" {sum(writers.committed)} commits, {writers.lost_connections} connections lost,"
          f" {retried} retried, {stale} stale, RssAnon {memory.largest // 1024} MB,"
          f" in step {time.monotonic() - healed:.0f} s after the last fault", flush=True)


def keep_log(pg, seed):
    """The server's log outlives the work folder: it is what a finding is explained with."""
    kept = pathlib.Path(f"torture-{seed}.log").resolve()
    kept.write_text(pg.log())
    print(f"server log: {kept}")


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seed", type=int, required=True)
    words.add_argument("--minutes", type=float, default=2)
    words.add_argument("--faults", default="", help=", ".join(KINDS))
    words.add_argument("--pause", type=float, default=0.01, help="seconds between transactions")
    arguments = words.parse_args()
    unknown = set(filter(None, arguments.faults.split(","))) - set(KINDS)
    if unknown:
        words.error(f"unknown faults {sorted(unknown)}; there are: {', '.join(KINDS)}")
    processes.work_folder()
    found = torture(arguments)
    print("\n".join(found) if found else "equal")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
