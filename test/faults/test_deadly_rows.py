"""A worker that dies when it reads one queue row or one key: the fourth one does without it."""

import contextlib

import psycopg
import pytest

import processes
from conftest import Database
from faulty_build import faulty_cluster


@pytest.fixture(scope="module")
def pg():
    yield from faulty_cluster("deadly", {"polyglot_sync.worker_restart_delay": "1s"})


@pytest.fixture
def two(pg, search):
    database = Database(pg, search)
    for table in "ab":
        database.execute(f"CREATE TABLE {table} (id text PRIMARY KEY, v text);"
                         f"INSERT INTO {table} SELECT '{table}' || n, '1' FROM generate_series(1, 50) n")
        database.create_sync(table)
    database.wait()
    yield database
    for fault in ("fault_event", "fault_key"):
        (pg.data / fault).unlink(missing_ok=True)
    pg.wait_until_up()
    database.drop()


def deaths(db):
    return db.pg.log().count("terminated by signal 9")


@pytest.mark.parametrize("fault", ["fault_event", "fault_key"])
def test_a_row_on_which_workers_die_keeps_no_cluster_down(two, fault):
    before = deaths(two)
    (two.pg.data / fault).write_text("a7\n")
    with contextlib.suppress(psycopg.OperationalError):  # a worker may die before the answer
        two.execute("UPDATE a SET v = '2'; UPDATE b SET v = '2'")
    processes.wait_for(lambda: deaths(two) >= before + 3, "three deaths", 120)
    two.pg.killed += 3
    two.pg.wait_until_up()
    processes.wait_for(lambda: two.pg.is_up() and two.value("SELECT count(*) FROM polyglot.set_aside") == 1,
                       "something set aside", 120)
    two.wait("b", "120s")
    two.assert_equal("b", wait=False)
    two.wait("a", "120s")
    assert deaths(two) == before + 3
    if fault == "fault_event":  # filled anew from the table
        two.assert_equal("a", wait=False)
    else:
        assert [letter[1] for letter in two.dead_letters()] == ["a7"]


def test_a_verification_on_which_workers_die_keeps_no_cluster_down(two):
    before = deaths(two)
    fault = two.pg.data / "fault_verification"
    fault.write_text("a\n")
    try:
        with contextlib.suppress(psycopg.OperationalError):
            two.query("SELECT polyglot.verify_sync('a', wait => false)")
        processes.wait_for(lambda: deaths(two) > before and two.pg.is_up() and two.value(
            "SELECT count(*) FROM polyglot.verification WHERE note LIKE 'workers have died twice%'") == 1,
            "its end", 180)
        died = deaths(two) - before  # the first one may have been that of another test
        assert 2 <= died <= 3
        two.pg.killed += died
        two.execute("INSERT INTO b VALUES ('new', '1')")
        two.wait("b", "120s")
        assert two.query("SELECT problem FROM polyglot.verify_sync('b')") == []
        ((problem, detail),) = two.query("SELECT problem, detail FROM polyglot.verify_sync('a')")
        assert problem == "incomparable" and "died twice" in detail
        assert "not verified" in two.pg.log()
        assert "set aside" in two.status("a")["problem"]
        assert deaths(two) == before + died
    finally:
        fault.unlink(missing_ok=True)


def reading_worker(db):
    """The worker that is in the middle of a row."""
    return processes.wait_for(lambda: db.pg.is_up() and db.value(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'polyglot_sync worker'"
        " AND wait_event = 'PgSleep'"), "a worker that reads", 120)


@pytest.mark.parametrize("killed", ["worker", "backend"])
def test_a_row_that_was_being_read_when_somebody_was_killed_is_innocent(two, killed):
    """By others, such as the kernel when memory is short: a row is no deadly one for being read just then."""
    two.execute("CREATE TABLE slow (id integer PRIMARY KEY, v integer);"
                "CREATE FUNCTION slowly(integer) RETURNS integer LANGUAGE plpgsql STABLE AS"
                " 'BEGIN PERFORM pg_sleep(CASE WHEN $1 > 1 THEN 4 ELSE 0 END); RETURN $1; END';"
                "INSERT INTO slow VALUES (1, 1)")
    two.create_sync("slow", document="jsonb_build_object('id', id, 'v', public.slowly(v))")
    two.wait()
    two.execute("UPDATE slow SET v = 2")
    two.pg.kill(reading_worker(two))  # the next one is careful
    two.pg.wait_until_up()
    worker = reading_worker(two)
    if killed == "worker":
        two.pg.kill(worker)
    else:
        with two.connect() as session:
            two.pg.kill(session.info.backend_pid)
    two.pg.wait_until_up()
    two.wait(timeout="120s")
    assert two.value("SELECT count(*) FROM polyglot.set_aside") == 0
    assert two.dead_letters() == []
    two.assert_equal("slow", wait=False, document=lambda row: row)
