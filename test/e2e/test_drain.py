"""polyglot.drain before a planned switch-over: true means that nothing is on its way any more."""

import threading

import psycopg
import pytest

import processes


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text); CREATE TABLE u (id integer PRIMARY KEY);"
               "INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 2000) i;"
               "INSERT INTO u SELECT i FROM generate_series(1, 100) i")
    return db


def drain(db, timeout="90s", user="postgres"):
    """(result, what the server said: severity, message, detail)"""
    said = []
    with db.connect(user) as session:
        session.add_notice_handler(
            lambda m: said.append((m.severity, m.message_primary, m.message_detail)))
        result = session.execute("SELECT polyglot.drain(%s::interval)", (timeout,)).fetchone()[0]
    return result, said


def test_it_waits_for_everything_and_nothing_is_delivered_again(t):
    t.create_sync("t")
    t.create_sync("u")
    t.execute("UPDATE t SET v = 'changed'")
    result, said = drain(t)
    assert result and not said
    t.assert_equal("t", wait=False)
    t.assert_equal("u", wait=False)
    assert t.value("SELECT count(*) FROM polyglot.outbox WHERE NOT processed") == 0
    assert t.value("SELECT count(*) FROM polyglot.parked_key") == 0
    before = [(row["delivered"], row["stale"]) for row in t.status()]
    t.pg.restart()
    t.wait()
    assert [(row["delivered"], row["stale"]) for row in t.status()] == before


def test_without_syncs_there_is_nothing_to_wait_for(db):
    assert drain(db) == (True, [])


def test_what_is_written_before_the_call_counts_also_beside_writers(t):
    t.create_sync("t")
    t.wait()
    ended = threading.Event()

    def write():
        with t.connect() as session:
            while not ended.is_set():
                session.execute("UPDATE t SET v = v || 'x' WHERE id = 1")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        t.execute("INSERT INTO t VALUES (5000, 'late')")
        assert drain(t)[0]
        assert t.search.client().exists(index=t.index("t"), id="5000")
    finally:
        ended.set()
        writer.join()


def test_it_says_what_holds_it(t):
    t.create_sync("t")
    t.create_sync("u")
    t.wait()
    t.execute("SELECT polyglot.pause_sync('t'); UPDATE t SET v = 'late' WHERE id < 4")
    processes.wait_for(lambda: t.status("t")["parked"] == 3, "parked keys")
    result, said = drain(t, "1s")
    assert result is False
    assert [severity for severity, _, _ in said] == ["NOTICE", "WARNING"]
    assert 'sync "t" is paused' in said[0][1]
    assert 'Sync "t" is paused, pending: 3, parked: 3.' == said[1][2]

    done = []
    waiting = threading.Thread(target=lambda: done.append(drain(t)))
    waiting.start()
    t.execute("SELECT polyglot.resume_sync('t')")
    waiting.join()
    assert done[0][0] is True
    t.assert_equal("t", wait=False)


def test_it_waits_for_a_rebuild(t):
    t.create_sync("t", options={"backfill_rate": 500})
    t.wait()
    t.execute("SELECT polyglot.rebuild_sync('t')")
    assert t.value("SELECT polyglot.wait_for_sync('t')")  # the index in use is in step
    result, said = drain(t, "10ms")
    assert result is False and 'Sync "t" is ' in said[0][2]
    assert drain(t)[0]
    assert t.query("SELECT generation FROM polyglot.syncs") == [(2,)]


def test_dead_letters_are_named_and_do_not_hold_it(t):
    t.create_sync("t", mapping={"properties": {"v": {"type": "integer"}}}, filter="id <= 2")
    result, said = drain(t)
    assert result
    assert 'sync "t" has dead letters' in [message for _, message, _ in said]


def test_a_transaction_with_changes_of_its_own(t):
    t.create_sync("t")
    with t.connect(autocommit=False) as session:
        session.execute("UPDATE t SET v = 'mine' WHERE id = 1")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            session.execute("SELECT polyglot.drain()")


def test_a_server_that_is_away_is_named(t):
    t.create_server("away", url="http://127.0.0.1:9")
    t.create_sync("t")
    t.create_sync("u", "away")
    t.wait("t")
    t.wait_for_state("u", "disconnected")
    result, said = drain(t, "100ms")
    assert result is False
    assert 'Sync "u" is disconnected' in said[-1][2]
    assert 'Sync "t"' not in said[-1][2]
