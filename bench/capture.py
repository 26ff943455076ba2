"""Instructions of the writing backend with capture, relative to the same without any trigger."""

import pathlib
import statistics
import subprocess
import sys
import time

import processes
from postgres import SUPERUSER, Postgres

TABLES = ("accounts", "tellers", "branches")
SCALE = 10


def cpu_nanoseconds(pid):
    """Time of this process on the CPU; None when it has gone."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return None


def cpu_of_pgbench(pg, command):
    """CPU time of pgbench's backend: looked at until it has gone, the last look counts."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench'"
    processes.wait_for(lambda: pg.value(query) is None, "the end of the run before", interval=0.001)
    program = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    backend, used = None, 0
    while program.poll() is None:
        now = cpu_nanoseconds(backend) if backend else None
        if now is None:
            backend = pg.value(query)  # pgbench's first, short connection is another backend
        else:
            used = now
        time.sleep(0.001)
    if program.returncode != 0:
        raise RuntimeError("pgbench failed")
    return used


def perf_counts_instructions():
    try:
        done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions", "true"],
                              capture_output=True, text=True)
    except FileNotFoundError:
        return False
    return done.returncode == 0 and done.stderr.split(",")[0].isdigit()


def measure(pg, transactions, with_perf):
    """What pgbench's backend used for this many transactions: instructions, or ns of CPU time."""
    command = [pg.bin / "pgbench", "-n", "-c", "1", "-t", transactions, "-h", pg.folder,
               "-p", pg.port,
               "-U", SUPERUSER, "-M", "prepared", "bench"]
    if not with_perf:
        return cpu_of_pgbench(pg, command)
    # Counts what the postmaster forks from now on: pgbench's backend, nothing else starts then.
    counted = subprocess.run(
        ["perf", "stat", "-x,", "-e", "instructions", "-p", str(pg.pid), "--", *map(str, command)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    for line in counted.stderr.splitlines():
        if "instructions" in line and line.split(",")[0].isdigit():
            return int(line.split(",")[0])
    raise RuntimeError(counted.stderr)


def set_capture(pg, on):
    for table in TABLES:
        pg.execute(f"SELECT polyglot.create_sync('pgbench_{table}', 'search',"
                   " backfill => false)" if on else
                   f"SELECT polyglot.drop_sync('pgbench_{table}')", database="bench")
    triggers = pg.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'polyglot_capture%%'",
                        (), "bench")
    assert (triggers > 0) == on, "triggers are not as this run needs them"
    pg.execute("CHECKPOINT")


def main(pairs=7, transactions=10000):
    pg = Postgres("bench", settings={"autovacuum": "off", "checkpoint_timeout": "1h",
                                     "max_wal_size": "8GB"}).start()
    pg.execute("CREATE DATABASE bench")
    pg.program("pgbench", "-i", "-q", "-s", str(SCALE), "bench")
    pg.execute("CREATE EXTENSION polyglot_sync; CREATE SERVER search FOREIGN DATA WRAPPER"
               f" polyglot_sync OPTIONS (url 'http://127.0.0.1:{processes.free_port()}');"
               "SELECT polyglot.stop_workers()", database="bench")
    with_perf = perf_counts_instructions()
    unit = "instructions" if with_perf else "ns of CPU time"
    print(f"pgbench TPC-B-like, scale {SCALE}, 1 client, {transactions} transactions a run, {unit}")
    measure(pg, transactions // 4, with_perf)  # caches and prepared statements warm
    ratios = []
    for pair in range(pairs):
        found = {}
        for on in ((False, True) if pair % 2 == 0 else (True, False)):
            if on:
                set_capture(pg, True)
            found[on] = measure(pg, transactions, with_perf)
            if on:
                set_capture(pg, False)
        ratios.append(found[True] / found[False])
        print(f"  pair {pair + 1}: {found[False] / transactions:12,.1f} without,"
              f" {found[True] / transactions:12,.1f} with capture, a transaction;"
              f" ratio {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f} of {pairs} pairs"
          f" (from {min(ratios):.3f} to {max(ratios):.3f}); goal <= 1.10")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
