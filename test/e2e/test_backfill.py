"""The first copy: resumable, and never in the way of live changes."""

import threading
import time

import pytest

import processes

ROWS = 40000


@pytest.fixture
def big(db):
    db.execute("CREATE TABLE big (id integer PRIMARY KEY, v text, n integer DEFAULT 0);"
               f"INSERT INTO big SELECT i, repeat('word ', 20) || i FROM generate_series(1, {ROWS}) i")
    return db


def wait_for_rows(db, rows):
    return processes.wait_for(
        lambda: (db.status("big")["backfill_rows"] or 0) >= rows and
        db.status("big")["backfill_rows"], f"{rows} rows of the backfill", interval=0.01)


def test_backfill_reports_its_progress(big):
    big.create_sync("big")
    big.wait()
    status = big.status("big")
    assert status["state"] == "streaming"
    assert status["backfill_rows"] == ROWS
    big.assert_equal("big")


def test_backfill_under_load(big):
    ended = threading.Event()

    def write(part):
        number = part
        with big.connect() as session:
            while not ended.is_set():
                number += 2
                key = number * 7919 % ROWS
                session.execute("UPDATE big SET n = n + 1 WHERE id = %s", (key,))
                if number % 5 == part:
                    session.execute("DELETE FROM big WHERE id = %s", (key + 1,))
                if number % 7 == part:
                    session.execute("INSERT INTO big VALUES (%s, 'live')", (ROWS + number,))
    writers = [threading.Thread(target=write, args=(part,)) for part in (0, 1)]
    for writer in writers:
        writer.start()
    try:
        big.create_sync("big")
        processes.wait_for(lambda: big.status("big")["state"] == "streaming", "end of the backfill",
                           180)
    finally:
        ended.set()
        for writer in writers:
            writer.join()
    big.assert_equal("big")


@pytest.mark.slow
def test_an_interrupted_backfill_resumes(big):
    big.create_sync("big")
    wait_for_rows(big, 2000)
    big.execute("SELECT pg_terminate_backend(%d)" % big.wait_for_worker())
    big.execute("DELETE FROM big WHERE id % 10 = 0; UPDATE big SET n = 1 WHERE id % 10 = 1")
    big.assert_equal("big")


def test_a_backfill_interrupted_by_a_crash_resumes(big):
    big.create_sync("big")
    reached = wait_for_rows(big, 5000)
    big.pg.restart("immediate")
    big.wait_for_worker()
    assert big.value("SELECT backfill_rows FROM polyglot.sync_state") <= ROWS
    big.execute("DELETE FROM big WHERE id < 100")
    big.assert_equal("big")
    assert reached <= big.status("big")["backfill_total"]


def test_without_backfill_only_changes_arrive(big):
    big.create_sync("big", backfill=False)
    big.execute("UPDATE big SET n = 5 WHERE id IN (3, 4)")
    big.wait()
    assert sorted(big.documents("big")) == ["3", "4"]


def test_composite_keys_are_paged_in_order(db):
    db.execute("CREATE TABLE pair (a text COLLATE \"C\", b numeric, c date, PRIMARY KEY (a, b, c));"
               "INSERT INTO pair SELECT chr(65 + i % 26), i / 3.0, '2024-01-01'::date + i % 400"
               " FROM generate_series(1, 12000) i")
    db.create_sync("pair")
    db.assert_equal("pair", key=["a", "b", "c"])


def test_a_filter_limits_the_backfill(big):
    big.create_sync("big", filter="id <= 1000")
    big.assert_equal("big", where="id <= 1000")


def test_an_empty_table(db):
    db.execute("CREATE TABLE none (id integer PRIMARY KEY)")
    db.create_sync("none")
    db.assert_equal("none")
    assert db.status("none")["state"] == "streaming"


def delays_of_live_changes(db, ended, most=200):
    """Seconds from COMMIT to the index, of single changes one after another, until `ended()`."""
    client, index, delays = db.search.client(), db.index("big"), []
    with db.connect() as session:
        while not ended() and len(delays) < most:
            key = len(delays) * 7919 % ROWS + 1
            value = session.execute("UPDATE big SET n = n + 1 WHERE id = %s RETURNING n",
                                    (key,)).fetchone()[0]
            begun = time.monotonic()

            def arrived():
                found = client.mget(index=index, body={"ids": [str(key)]})["docs"][0]
                return found.get("found") and found["_source"]["n"] == value
            processes.wait_for(arrived, f"row {key} in the index", interval=0.005)
            delays.append(time.monotonic() - begun)
    return sorted(delays)


@pytest.mark.slow
def test_live_changes_are_prompt_during_a_backfill(big):
    """Both during the first backfill and during that of a rebuild."""
    rows = 5 * ROWS
    big.execute(f"INSERT INTO big SELECT i, repeat('word ', 20) || i"
                f" FROM generate_series({ROWS + 1}, {rows}) i")
    big.create_sync("big")
    wait_for_rows(big, 1)
    first = delays_of_live_changes(big, lambda: big.status("big")["state"] == "streaming")
    big.wait()
    big.execute("SELECT polyglot.rebuild_sync('big')")
    big.wait_for_state("big", "rebuilding")
    second = delays_of_live_changes(big, lambda: big.status("big")["state"] == "streaming")
    for name, delays in (("backfill", first), ("rebuild", second)):
        assert delays, "the backfill was over before anything could be measured"
        print(f"live changes during a {name} of {rows} rows: {len(delays)} changes, p50"
              f" {delays[len(delays) // 2]:.3f} s, most {delays[-1]:.3f} s")
        assert delays[-1] < 15


def test_a_backfill_keeps_its_rate_and_live_changes_do_not(big):
    rate = 4000
    begun = time.monotonic()
    big.create_sync("big", options={"backfill_rate": rate})
    wait_for_rows(big, 2 * rate)
    seconds, rows = time.monotonic() - begun, big.status("big")["backfill_rows"]
    assert rows <= rate * (seconds + 1)
    big.execute("UPDATE big SET n = 1 WHERE id > %s" % (ROWS - 3 * rate))  # at the end of the copy
    client, index = big.search.client(), big.index("big")
    processes.wait_for(
        lambda: client.count(index=index, body={"query": {"term": {"n": 1}}})["count"] == 3 * rate
        if client.indices.refresh(index=index) else False, "the live changes in the index")
    assert big.status("big")["backfill_rows"] <= ROWS - 3 * rate, "live changes waited for the copy"
    assert big.status("big")["state"] == "backfilling"
    # Rows are counted when they are answered: an interval may have those of a slow one before it.
    processes.wait_for(lambda: 0 < (big.status("big")["rate"] or 0) < 2 * rate, "a rate as it was asked for")
    # Alterable while it runs, also to nothing.
    big.execute("""SELECT polyglot.alter_sync('big', options => '{"backfill_rate": 1}')""")
    def crawls():
        first = big.status("big")["backfill_rows"]
        time.sleep(2)  # what is on its way arrives, then nearly nothing
        return big.status("big")["backfill_rows"] - first <= 4
    processes.wait_for(crawls, "a backfill that crawls")
    assert big.status("big")["backfill_rows"] < ROWS
    big.execute("SELECT polyglot.alter_sync('big', reset => '{options}')")
    big.wait()
    big.assert_equal("big")


def test_a_rebuild_keeps_the_rate_too(big):
    big.create_sync("big")
    big.wait()
    rate = 8000
    big.execute(f"""SELECT polyglot.alter_sync('big', options => '{{"backfill_rate": {rate}}}')""")
    begun = time.monotonic()
    big.execute("SELECT polyglot.rebuild_sync('big')")
    big.wait_for_state("big", "rebuilding")
    big.wait_for_state("big", "streaming")
    assert time.monotonic() - begun >= (ROWS - rate) / rate
    assert big.query("SELECT generation FROM polyglot.syncs") == [(2,)]
    big.assert_equal("big")
