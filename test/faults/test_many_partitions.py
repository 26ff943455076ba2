"""Five thousand partitions: what a change of one row costs the worker after ANALYZE of one of them."""

import time

import pytest

import memory

COUNT = 5000


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def change(db, pid, id):
    """Seconds of CPU that one UPDATE costs the worker."""
    before = cpu_seconds(pid)
    db.execute("UPDATE big SET v = v || '.' WHERE id = %s", (id,))
    db.wait("big", "300s")
    return cpu_seconds(pid) - before


@pytest.fixture
def big(db):
    db.execute("CREATE TABLE big (id integer PRIMARY KEY, v text) PARTITION BY RANGE (id)")
    for begin in range(0, COUNT, 500):
        db.execute("DO $$ BEGIN FOR i IN %d .. %d LOOP EXECUTE format('CREATE TABLE big_%%s PARTITION OF big"
                   " FOR VALUES FROM (%%s) TO (%%s)', i, i * 10, i * 10 + 10); END LOOP; END $$"
                   % (begin, begin + 499))
    db.execute("INSERT INTO big SELECT i * 10, 'row' FROM generate_series(0, 4999) i")
    return db


def test_the_change_of_one_row_costs_no_plan_for_all_partitions(big):
    big.create_sync("big", backfill=False)
    big.wait("big", "300s")
    pid = big.wait_for_worker()
    change(big, pid, 50)
    costs = []
    for number in range(3):
        big.execute(f"ANALYZE big_{5 + number}")
        costs.append(change(big, pid, 50 + number * 10))
    print("CPU seconds of one UPDATE after ANALYZE:", costs, "private kB:", memory.rss_anon(pid))
    assert max(costs) < 0.5
    assert memory.rss_anon(pid) < 64 * 1024


def test_a_backfill_of_many_partitions_holds_up_no_other_sync(big):
    big.execute("CREATE TABLE z (id integer PRIMARY KEY)")
    big.create_sync("z")
    big.wait("z", "300s")
    pid = big.wait_for_worker()
    before, waits = cpu_seconds(pid), []
    begin = time.monotonic()
    big.create_sync("big")
    while big.status("big")["state"] != "streaming":
        moment = time.monotonic()
        big.execute("INSERT INTO z VALUES (%s)", (len(waits),))
        big.wait("z", "300s")
        waits.append(time.monotonic() - moment)
        big.execute(f"ANALYZE big_{len(waits) % COUNT}")
    print(f"filled in {time.monotonic() - begin:.1f} s, {cpu_seconds(pid) - before:.1f} s of CPU,"
          f" longest wait of another sync {max(waits):.2f} s, private kB: {memory.rss_anon(pid)}")
    big.execute("SELECT polyglot.verify_sync('big')")
    print("after a verification, private kB:", memory.rss_anon(pid))
    assert max(waits) < 2
    assert memory.rss_anon(pid) < 64 * 1024
    big.assert_equal("big")
