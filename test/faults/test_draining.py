"""Keys that were parked by the hundred thousand are drained by the index of their table: what a key costs
does not depend on what the planner believes of a table that nobody has analysed."""

import os
import time

import pytest

import processes

ROWS = int(os.environ.get("POLYGLOT_PARKED_ROWS", 100_000))


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def scans(db):
    return db.query("SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'parked_key'")[0]


def end_worker(db):
    """Its statistics are all there when it has ended."""
    pid = db.wait_for_worker()
    db.execute(f"SELECT pg_terminate_backend({pid}, 60000)")
    db.wait_for_worker()


@pytest.mark.parametrize("analyzed", [True, False])
def test_parked_keys_are_drained_by_their_index(db, analyzed):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v integer);"
               f"INSERT INTO t SELECT i, 0 FROM generate_series(1, {ROWS}) i")
    # With a rate they are drained, however many; without one a new index would be filled.
    db.create_sync("t", settings={"refresh_interval": "30s"}, options={"backfill_rate": 1_000_000})
    db.wait(timeout="900s")
    db.execute("SELECT polyglot.pause_sync('t'); UPDATE t SET v = 1")
    processes.wait_for(lambda: db.status("t")["parked"] == ROWS, lambda: db.status("t"), 300)
    if analyzed:
        db.execute("ANALYZE polyglot.parked_key")
    end_worker(db)
    before, worker = scans(db), db.wait_for_worker()
    used, begun = cpu_seconds(worker), time.monotonic()
    db.execute("SELECT polyglot.resume_sync('t')")
    processes.wait_for(lambda: db.status("t")["parked"] == 0, lambda: db.status("t"), 1800, 0.2)
    used, seconds = cpu_seconds(worker) - used, time.monotonic() - begun
    end_worker(db)
    after = scans(db)
    print(f"{ROWS} parked keys: {seconds:.1f} s, {used / ROWS * 1e6:.1f} µs of CPU a key,"
          f" {after[0] - before[0]} sequential scans, {after[1] - before[1]} by index")
    # What a new worker counts when it starts is not part of it.
    assert after[0] - before[0] <= 2
    # One that compares each parked key with all keys of a statement takes hundreds.
    assert used / ROWS < 100e-6
    db.assert_equal("t")
