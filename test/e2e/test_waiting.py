"""wait_for_sync means what it says; run_sync and refresh_index; enqueue."""

import time

import psycopg
import pytest


@pytest.fixture
def t(db):
    db.execute("CREATE TABLE t (id integer PRIMARY KEY, v text);"
               "INSERT INTO t SELECT i, 'row' FROM generate_series(1, 100) i")
    db.create_sync("t")
    db.wait()
    return db


def test_what_was_committed_before_can_be_read(t):
    client = t.search.client()
    for number in range(50):
        t.execute("UPDATE t SET v = %s WHERE id = 1", (f"v{number}",))
        assert t.value("SELECT polyglot.wait_for_sync('t')") is True
        found = client.get(index=t.index("t"), id="1")
        assert found["_source"]["v"] == f"v{number}"


def test_with_refresh_it_can_be_searched(t):
    client = t.search.client()
    for number in range(10):
        t.execute("INSERT INTO t VALUES (%s, %s)", (1000 + number, f"word{number}"))
        assert t.value("SELECT polyglot.wait_for_sync('t', refresh => true)") is True
        hits = client.search(index=t.index("t"),
                             body={"query": {"match": {"v": f"word{number}"}}})["hits"]
        assert hits["total"]["value"] == 1


def test_own_uncommitted_changes_cannot_be_waited_for(t):
    with t.connect(autocommit=False) as session:
        session.execute("UPDATE t SET v = 'x' WHERE id = 1")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            session.execute("SELECT polyglot.wait_for_sync('t')")


def test_the_timeout_is_kept(t):
    t.create_server("nowhere", url="http://127.0.0.1:9")
    t.execute("CREATE TABLE u (id integer PRIMARY KEY)")
    t.create_sync("u", "nowhere")
    begin = time.monotonic()
    assert t.value("SELECT polyglot.wait_for_sync('u', '1.5s')") is False
    assert 1.4 < time.monotonic() - begin < 4
    t.execute("SELECT polyglot.drop_sync('u')")


def test_all_syncs_without_the_paused_ones(t):
    t.execute("CREATE TABLE u (id integer PRIMARY KEY)")
    t.create_sync("u")
    t.execute("SELECT polyglot.pause_sync('t'); UPDATE t SET v = 'x'; INSERT INTO u VALUES (1)")
    t.wait()
    t.assert_equal("u", wait=False)


def test_unknown_and_failed_syncs_are_errors(t):
    with pytest.raises(psycopg.errors.UndefinedObject):
        t.value("SELECT polyglot.wait_for_sync('nobody')")


def test_run_sync_reports_what_was_done(t):
    t.execute("UPDATE t SET v = 'y' WHERE id <= 10; DELETE FROM t WHERE id > 95")
    rows = t.query("SELECT * FROM polyglot.run_sync('t')")
    assert [row[0] for row in rows] == ["t"]
    t.assert_equal("t", wait=False)


def test_enqueue_rebuilds_a_document(t):
    client = t.search.client()
    client.index(index=t.index("t"), id="7", body={"v": "vandal"}, refresh=True)
    t.execute("SELECT polyglot.enqueue('t', 7)")
    t.wait()
    version = client.get(index=t.index("t"), id="7")
    assert version["_source"] == {"id": 7, "v": "row"}


def test_an_idle_sync_has_no_lag(t):
    time.sleep(2)
    status = t.status("t")
    assert status["lag"].total_seconds() < 2
    assert (status["pending"], status["parked"], status["state"]) == (0, 0, "streaming")
    assert t.value("SELECT count(*) FROM polyglot.outbox WHERE NOT processed") == 0
