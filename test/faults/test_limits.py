"""Out of memory and a full disk, met by a real worker: limits of a build made for this test only."""

import pytest

import processes
from conftest import Database
from faulty_build import faulty_cluster


@pytest.fixture(scope="module")
def pg():
    yield from faulty_cluster("limits", {"polyglot_sync.worker_restart_delay": "1s"})


@pytest.fixture
def t(pg, search):
    database = Database(pg, search)
    database.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
                     "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 100) i")
    database.create_sync("t")
    database.wait()
    yield database
    limit(database, memory=0, file_size=0)
    database.drop()


def limit(db, **limits):
    for name, value in limits.items():
        db.pg.execute(f"ALTER SYSTEM SET polyglot_sync.fault_{name} = '{value}'")
    db.pg.reload()


def restart_worker(db):
    db.execute("SELECT pg_terminate_backend(%s)", (db.wait_for_worker(),))


def count(db, text):
    return db.pg.log().count(text)


def assert_fails_cleanly_and_heals(db, error):
    """The worker ends with this error at least twice: it was started again, and nothing crashed."""
    processes.wait_for(lambda: count(db, error) >= 2, f"two times {error!r}", 240)
    assert db.value("SELECT count(*) FROM t") > 0
    limit(db, memory=0, file_size=0)
    db.wait(timeout="240s")
    db.assert_equal("t", wait=False)
    assert db.dead_letters() == []


def test_out_of_memory_in_a_worker_ends_only_the_worker(t):
    """pg_net#45: a backlog ended in a crash loop of the whole cluster."""
    limit(t, memory="12MB")
    restart_worker(t)
    t.execute("INSERT INTO t SELECT i, repeat(md5(i::text), 120)"
              " FROM generate_series(1001, 13000) i")
    assert_fails_cleanly_and_heals(t, "out of memory")


def test_a_full_disk_ends_only_the_worker(t):
    """Above the size of a WAL segment, which is written by everybody: parked keys need more."""
    t.execute("CREATE TABLE w (id text PRIMARY KEY, v text)")
    t.create_sync("w")
    t.wait()
    t.execute("SELECT polyglot.pause_sync('w')")
    limit(t, file_size="17MB")
    restart_worker(t)
    t.execute("INSERT INTO w SELECT lpad(i::text, 500, 'x'), 'bulk' FROM generate_series(1, 25000) i")
    processes.wait_for(lambda: count(t, "could not extend file") >= 2, "a full disk, twice", 240)
    t.execute("UPDATE t SET v = 'on a full disk'")
    limit(t, file_size=0)
    t.execute("SELECT polyglot.resume_sync('w')")
    t.wait(timeout="240s")
    t.assert_equal("t", wait=False)
    t.assert_equal("w", wait=False)


def test_a_row_that_asks_for_more_memory_than_there_is_costs_itself_alone(t):
    """Others of its page are delivered; the worker lives on."""
    t.execute("CREATE TABLE g (id integer PRIMARY KEY, n integer)")
    t.create_sync("g", document="jsonb_build_object('n', n, 'v', repeat('x', n))")
    t.wait()
    limit(t, memory="100MB")
    restart_worker(t)
    t.execute("INSERT INTO g SELECT i, CASE i WHEN 7 THEN 90000000 ELSE 10 END"
              " FROM generate_series(1, 100) i")
    t.wait(timeout="240s")
    assert [(letter[1], letter[4]) for letter in t.dead_letters()] == [("7", "postgresql_error_53200")]
    assert len(t.documents("g")) == 99
    t.execute("SELECT polyglot.drop_sync('g')")
