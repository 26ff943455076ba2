"""The counters of polyglot.status: they outlive restarts, say since when, and can be reset."""

import pytest

COUNTERS = ("delivered", "deleted", "stale", "retried")


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); CREATE TABLE u (id integer PRIMARY KEY);"
               "INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 100) i")
    db.create_sync("t")
    db.create_sync("u")
    db.wait()
    return db


def counters(db, sync="t"):
    status = db.status(sync)
    return tuple(status[name] for name in COUNTERS)


def change(db):
    db.execute("UPDATE t SET v = v || '!' WHERE id <= 10")
    db.execute("DELETE FROM t WHERE id = (SELECT max(id) FROM t)")
    db.wait()


def test_they_start_at_0_again_and_go_on(t):
    change(t)
    assert counters(t) == (110, 1, 0, 0)
    before = t.status("t")["counters_since"]
    other = t.status("u")["counters_since"]
    t.execute("SELECT polyglot.reset_counters('t')")
    assert counters(t) == (0, 0, 0, 0)
    assert t.status("t")["counters_since"] > before
    assert t.status("u")["counters_since"] == other
    change(t)
    assert counters(t) == (10, 1, 0, 0)


@pytest.mark.parametrize("mode", ["fast", pytest.param("immediate", marks=pytest.mark.slow)])
def test_a_reset_outlives_restarts(t, mode):
    change(t)
    assert t.value("SELECT polyglot.drain()")  # what was counted before is on disk
    t.execute("SELECT polyglot.reset_counters()")
    since = t.status("t")["counters_since"]
    t.pg.restart(mode)
    t.wait()
    assert counters(t)[:2] == (0, 0)
    assert t.status("t")["counters_since"] == since
    change(t)
    assert t.value("SELECT polyglot.drain()")
    t.pg.restart(mode)
    t.wait()
    assert counters(t)[:2] == (10, 1)
    assert t.status("t")["counters_since"] == since


def test_a_reset_belongs_to_its_transaction(t):
    change(t)
    with t.connect(autocommit=False) as session:
        session.execute("SELECT polyglot.reset_counters()")
        session.rollback()
    change(t)
    assert counters(t) == (120, 2, 0, 0)


def test_a_reset_without_a_worker(t):
    change(t)
    assert t.value("SELECT polyglot.drain()")  # so that the next worker delivers nothing again
    t.execute("SELECT polyglot.stop_workers()")
    t.execute("SELECT polyglot.reset_counters('t')")
    assert counters(t) == (0, 0, 0, 0)
    t.execute("SELECT polyglot.start_workers()")
    change(t)
    assert counters(t) == (10, 1, 0, 0)
