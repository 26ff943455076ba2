"""The search server dies, hangs, comes back: writers notice nothing, the index catches up."""

import time

import pytest

import processes
from conftest import Database


@pytest.fixture
def t(pg, own_search):
    if own_search.pid is None:
        own_search.start()
    database = Database(pg, own_search)
    database.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
                     "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 500) i")
    database.create_sync("t")
    database.wait()
    yield database
    if own_search.pid is None:
        own_search.start()
    database.drop()


def test_writers_do_not_wait_and_the_index_catches_up(t, own_search):
    own_search.kill()
    slowest = 0
    with t.connect() as session:
        for number in range(500):
            begin = time.monotonic()
            session.execute("UPDATE t SET v = %s WHERE id = %s", (f"down {number}", number % 500))
            slowest = max(slowest, time.monotonic() - begin)
    assert slowest < 2
    t.wait_for_state("t", "disconnected")
    status = t.status("t")
    assert status["last_error"] and status["pending"] > 0
    first = status["lag"]
    time.sleep(2)
    assert t.status("t")["lag"] > first
    assert t.value("SELECT polyglot.wait_for_sync('t', '1s')") is False
    own_search.start()
    t.assert_equal("t")
    assert t.status("t")["state"] == "streaming"


@pytest.mark.slow
def test_an_idle_sync_notices_that_the_server_is_away(t, own_search):
    own_search.kill()
    t.wait_for_state("t", "disconnected")
    assert t.status("t")["last_error"]
    own_search.start()
    t.wait_for_state("t", "streaming")
    status = t.status("t")
    assert (status["lag"].total_seconds(), status["pending"]) == (0, 0)


@pytest.mark.slow
def test_run_sync_does_not_wait_for_a_back_off(t, own_search):
    own_search.kill()
    t.execute("UPDATE t SET v = 'away' WHERE id < 10")
    t.wait_for_state("t", "disconnected")
    time.sleep(8)  # until the back-off is long
    own_search.start()
    begin = time.monotonic()
    t.execute("SELECT * FROM polyglot.run_sync('t')")
    assert time.monotonic() - begin < 5
    t.assert_equal("t", wait=False)


def test_ping_of_a_server_that_is_away(t, own_search):
    own_search.kill()
    ((product, version, status),) = t.query(
        "SELECT product, version, status FROM polyglot.ping('search')")
    assert (product, version) == (None, None)
    assert "connect" in status.lower()


@pytest.mark.slow
def test_a_worker_restarted_while_the_server_is_away(t, own_search):
    own_search.kill()
    t.execute("UPDATE t SET v = 'first'")
    t.wait_for_state("t", "disconnected")
    t.execute("SELECT pg_terminate_backend(%d)" % t.wait_for_worker())
    t.execute("DELETE FROM t WHERE id > 400; INSERT INTO t VALUES (1001, 'x')")
    own_search.start()
    t.assert_equal("t")


def test_postgresql_restarted_while_the_server_is_away(t, own_search):
    own_search.kill()
    t.execute("UPDATE t SET v = 'first'")
    t.pg.restart("immediate")
    t.execute("UPDATE t SET v = 'second' WHERE id < 100; DELETE FROM t WHERE id > 490")
    own_search.start()
    t.assert_equal("t")


def test_a_server_that_hangs(t, own_search):
    """It holds its connections and answers nothing."""
    t.execute("ALTER SERVER search OPTIONS (ADD request_timeout '3s')")
    own_search.suspend()
    try:
        t.execute("UPDATE t SET v = 'hanging'")
        begin = time.monotonic()
        t.execute("UPDATE t SET v = 'not waiting' WHERE id = 1")
        assert time.monotonic() - begin < 1
        t.wait_for_state("t", "disconnected")
    finally:
        own_search.resume()
    t.assert_equal("t")


@pytest.mark.slow
def test_a_sync_created_while_the_server_is_away(t, own_search):
    own_search.kill()
    t.execute("CREATE TABLE later AS SELECT i AS id, 'x' AS v FROM generate_series(1, 100) i;"
              "ALTER TABLE later ADD PRIMARY KEY (id)")
    t.create_sync("later")
    t.execute("INSERT INTO later VALUES (101, 'y')")
    own_search.start()
    t.assert_equal("later")


def test_an_index_deleted_by_somebody_is_filled_again(t, own_search):
    client = own_search.client()
    (physical,) = client.indices.get_alias(name=t.index("t"))
    client.indices.delete(index=physical)
    t.execute("UPDATE t SET v = 'noticed' WHERE id = 1")
    processes.wait_for(lambda: client.indices.exists(index=t.index("t")), "the index again")
    t.assert_equal("t")
