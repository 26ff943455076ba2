"""A server that answers, but far too slowly: the queue folds into one row for each changed key."""

import os
import time

import pytest

import processes
from conftest import Database
from fault_proxy import Fault, FaultProxy

MEGABYTE = 1 << 20
ROWS = 130_000  # of 650 bytes of key each: more than 80 MB of queue


@pytest.fixture
def slow(pg, search):
    with FaultProxy(search.port) as proxy:
        database = Database(pg, search, server=False)
        database.create_server(url=proxy.url, batch_operations=100, max_in_flight=1)
        database.execute("CREATE TABLE k (id text PRIMARY KEY, v integer)")
        database.create_sync("k")
        database.wait()
        database.proxy = proxy
        yield database
        proxy.heal()
        database.drop()


def insert(db, value):
    db.execute(f"INSERT INTO k SELECT lpad(i::text, 650, 'x'), {value} FROM generate_series(1, {ROWS}) i"
               " ON CONFLICT (id) DO UPDATE SET v = excluded.v")


def heal(db):
    """What has piled up goes at full speed: many requests at a time, and large ones."""
    db.proxy.heal()
    db.execute("ALTER SERVER search OPTIONS (DROP batch_operations, DROP max_in_flight)")


def queue_bytes(db):
    return db.value("SELECT sum(pg_relation_size(t)) FROM polyglot.queue,"
                    " LATERAL (VALUES (table_a), (table_b)) AS v(t) WHERE server <> 0")


def assert_equal(db):
    db.wait(timeout="600s")
    found = db.search.request("POST", f"/{db.index('k')}/_search", {
        "size": 0, "track_total_hits": True, "aggs": {"v": {"sum": {"field": "v"}}}})
    count, total = db.query("SELECT count(*), sum(v) FROM k")[0]
    assert (found["hits"]["total"]["value"], found["aggregations"]["v"]["value"]) == (count, total)
    assert db.dead_letters() == []


def test_a_queue_beyond_64_mb_folds_into_parked_keys(slow):
    slow.proxy.apply(Fault(latency=0.5))
    insert(slow, 1)
    most = queue_bytes(slow)
    assert most > 64 * MEGABYTE
    processes.wait_for(lambda: queue_bytes(slow) < 32 * MEGABYTE,
                       lambda: f"{queue_bytes(slow)} B of queue, {slow.status('k')}", 180, 0.5)
    status = slow.status("k")
    print(f"queue {most / MEGABYTE:.0f} MB, then {queue_bytes(slow) / MEGABYTE:.1f} MB and"
          f" {status['parked']} parked keys, {status['delivered']} delivered")
    assert status["state"] == "streaming"
    assert ROWS // 2 < status["parked"] <= ROWS
    assert status["lag"].total_seconds() > 1
    heal(slow)
    assert_equal(slow)
    assert slow.status("k")["parked"] == 0


def test_a_queue_beyond_max_queue_size_ends_in_an_index_filled_anew(slow):
    """A limit above what folds: queue and parked keys together are over it."""
    slow.execute("ALTER SERVER search OPTIONS (ADD max_queue_size '96MB')")
    slow.proxy.apply(Fault(latency=0.5))
    for value in (1, 2):
        insert(slow, value)
    processes.wait_for(lambda: "events dropped: max_queue_size (96 MB)" in
                       (slow.status("k")["last_error"] or ""), lambda: slow.status("k"), 180)
    processes.wait_for(lambda: slow.status("k")["parked"] == 0 and queue_bytes(slow) < MEGABYTE,
                       lambda: f"{queue_bytes(slow)} B of queue, {slow.status('k')}", 120)
    heal(slow)
    assert_equal(slow)


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_worker_with_a_full_pipeline_waits_for_answers(slow):
    """More changes than it takes at a time, and a server that says nothing: no reason to be busy."""
    slow.proxy.apply(Fault(latency=20))
    slow.execute("INSERT INTO k SELECT i::text, 1 FROM generate_series(1, 200000) i")
    worker = slow.wait_for_worker()
    processes.wait_for(lambda: slow.status("k")["pending"] > 0, lambda: slow.status("k"))
    used, busy = cpu_seconds(worker), 5.0
    for _ in range(6):  # the first seconds may still go into reading
        time.sleep(5)
        before, used = used, cpu_seconds(worker)
        busy = min(busy, used - before)
    print(f"{busy:.2f} s of CPU in 5 s")
    assert busy < 1.5
    heal(slow)
    assert_equal(slow)
