"""Instructions of the writing backend with capture, relative to the same without any trigger."""

import re
import statistics
import sys

import processes
from postgres import Postgres

TABLES = ("accounts", "tellers", "branches")
SCALE = 10


class CountedPostgres(Postgres):
    """A cluster whose processes run under cachegrind, which counts their instructions exactly.

    The kernel's own are not among them. The count does not depend on what else the machine does.
    """

    def start(self):
        counted = self.folder / "counted-postgres"
        counted.write_text(
            "#!/bin/sh\n"
            "exec valgrind -q --verbose --tool=cachegrind --cache-sim=no --trace-children=yes"
            f" --cachegrind-out-file=/dev/null --log-file={self.folder}/instructions-%p"
            f" {self.bin / 'postgres'} \"$@\"\n")
        counted.chmod(0o755)
        processes.own(self.folder)
        processes.run([self.bin / "pg_ctl", "-D", self.data, "-l", self.log_file, "-w", "-t", "300",
                       "-p", counted, "start", "-s"])
        self.pid = int((self.data / "postmaster.pid").read_text().split()[0])
        processes.register(self.pid)
        return self

    def instructions(self, pid):
        """What this process, which has gone, executed."""
        def found():
            text = (self.folder / f"instructions-{pid}").read_text()
            return re.search(r"I +refs: +([\d,]+)", text)
        return int(processes.wait_for(found, "the count").group(1).replace(",", ""))


def ended(pg):
    """Process numbers of pgbench's sessions that have ended."""
    return re.findall(r"\[(\d+)\] pgbench LOG: +disconnection", pg.log())


def count(pg, transactions):
    """Instructions of pgbench's backend from its start to its end."""
    before = len(ended(pg))
    pg.program("pgbench", "-n", "-c", "1", "-t", str(transactions), "-M", "prepared", "bench")
    # The first, short one only asks for the scale.
    gone = processes.wait_for(lambda: len(ended(pg)) >= before + 2 and ended(pg), "its end")
    return max(pg.instructions(int(pid)) for pid in gone[before:])


def measure(pg, transactions):
    """Instructions for one transaction, without those of starting and ending."""
    few = transactions // 10
    return (count(pg, transactions + few) - count(pg, few)) / transactions


def set_capture(pg, on):
    for table in TABLES:
        pg.execute(f"SELECT polyglot.create_sync('pgbench_{table}', 'search',"
                   " backfill => false)" if on else
                   f"SELECT polyglot.drop_sync('pgbench_{table}')", database="bench")
    triggers = pg.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'polyglot_capture%%'",
                        (), "bench")
    assert (triggers > 0) == on, "triggers are not as this run needs them"


def main(pairs=7, transactions=2000):
    pg = CountedPostgres("bench", settings={"autovacuum": "off", "checkpoint_timeout": "1h",
                                            "max_wal_size": "8GB", "jit": "off",
                                            "log_disconnections": "on",
                                            "log_line_prefix": "%m [%p] %a "}).start()
    pg.execute("CREATE DATABASE bench")
    pg.program("pgbench", "-i", "-q", "-s", str(SCALE), "-F", "80", "bench")
    # Every page has been written since the last checkpoint: else the runs would write full pages of
    # them, each fewer than the one before.
    pg.execute("UPDATE pgbench_accounts SET abalance = 0 WHERE aid % 40 = 0", database="bench")
    pg.execute("CREATE EXTENSION polyglot_sync; CREATE SERVER search FOREIGN DATA WRAPPER"
               f" polyglot_sync OPTIONS (url 'http://127.0.0.1:{processes.free_port()}');"
               "SELECT polyglot.stop_workers()", database="bench")
    print(f"pgbench TPC-B-like, scale {SCALE}, 1 client, {transactions} transactions a run;"
          " instructions of its backend in user space, counted by cachegrind")
    ratios = []
    for pair in range(pairs):
        found = {}
        for on in ((False, True) if pair % 2 == 0 else (True, False)):
            if on:
                set_capture(pg, True)
            found[on] = measure(pg, transactions)
            if on:
                set_capture(pg, False)
        ratios.append(found[True] / found[False])
        print(f"  pair {pair + 1}: {found[False]:12,.0f} without, {found[True]:12,.0f} with"
              f" capture, a transaction; ratio {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f} of {pairs} pairs"
          f" (from {min(ratios):.3f} to {max(ratios):.3f}); goal <= 1.10")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
